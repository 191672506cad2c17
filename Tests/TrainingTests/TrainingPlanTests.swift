import Fleet
import Foundation
import TensorCore
import Testing
import Training

/// What every step does is a pure function that covers each epoch exactly once.
@Suite struct TrainingPlanTests {
    static func plan(samples: Int, batch: Int = 16, seed: Int = 1) -> TrainingPlan {
        var configuration = RunConfiguration()
        configuration.seed = seed
        configuration.training.globalBatch = batch
        return TrainingPlan(configuration: configuration, sampleCount: samples)
    }

    private func epoch(_ epoch: Int, of plan: TrainingPlan) -> [[Int]] {
        (0..<plan.stepsPerEpoch).map { plan.samples(step: epoch * plan.stepsPerEpoch + $0, block: .all(slots: 8)) }
    }

    /// Multiples of the batch, a rest, less than a batch, one image.
    @Test(arguments: [160, 150, 50, 17, 16, 7, 1])
    func anEpochSeesEverySampleOnce(samples: Int) {
        let plan = Self.plan(samples: samples)
        #expect(plan.stepsPerEpoch == (samples + 15) / 16)
        for number in 0..<3 {
            let steps = epoch(number, of: plan)
            #expect(steps.flatMap { $0 }.sorted() == Array(0..<samples), "epoch \(number)")
            for step in steps.dropLast() { #expect(step.count == 16) }
            for (step, ids) in steps.enumerated() { #expect(plan.imageCount(step: number * plan.stepsPerEpoch + step) == ids.count) }
            #expect(
                plan.epoch(of: number * plan.stepsPerEpoch) == number && plan.epoch(of: (number + 1) * plan.stepsPerEpoch - 1) == number)
        }
    }

    @Test(arguments: [150, 7])
    func slotsCutAStepIntoDisjointPortions(samples: Int) {
        let plan = Self.plan(samples: samples)
        for step in 0..<25 {
            let slots = (0..<8).map { plan.samples(step: step, slot: $0) }
            let all = slots.flatMap { $0 }
            #expect(Set(all).count == all.count && slots.allSatisfy { $0.count <= 2 })
            #expect(all == plan.samples(step: step, block: .all(slots: 8)), "slots in order make up the step")
            #expect(plan.samples(step: step, block: SlotBlock(level: 1, index: 2)) == slots[4] + slots[5])
        }
    }

    @Test func epochsDifferInOrder() {
        let plan = Self.plan(samples: 160)
        let orders = (0..<4).map { epoch($0, of: plan).flatMap { $0 } }
        #expect(Set(orders).count == 4)
        #expect(orders.allSatisfy { $0 != Array(0..<160) })
    }

    /// Spec 1.1: weight exp(−(i − 1)²/(2·½²)) + 0.05 for the squares 5², 6², 7², 8².
    @Test func keptTokensFollowTheirDistribution() {
        let plan = Self.plan(samples: 160)
        let steps = 10_000
        var counts: [Int: Int] = [:]
        for step in 0..<steps { counts[plan.keptTokens(step: step), default: 0] += 1 }
        let weights = [25, 36, 49, 64].enumerated().map { (kept: $1, weight: exp(-2 * Double(($0 - 1) * ($0 - 1))) + 0.05) }
        let total = weights.reduce(0) { $0 + $1.weight }
        #expect(counts.keys.sorted() == [25, 36, 49, 64])
        for (kept, weight) in weights {
            let expected = weight / total
            let deviation = (expected * (1 - expected) / Double(steps)).squareRoot()
            let share = Double(counts[kept] ?? 0) / Double(steps)
            #expect(abs(share - expected) < 4 * deviation, "K \(kept): share \(share), expected \(expected)")
        }
    }

    @Test func equalInputsGiveEqualPlans() {
        let (first, second) = (Self.plan(samples: 150), Self.plan(samples: 150))
        var costs: [Int: Double] = [:]
        for step in 0..<30 {
            let plan = first.stepPlan(step)
            #expect(plan == second.stepPlan(step) && plan.difference(from: second.stepPlan(step)) == nil)
            #expect(plan.step == step && plan.epoch == step / 10 && plan.slots == 8)
            var values = plan.values
            costs[first.keptTokens(step: step)] = values.removeValue(forKey: StepPlan.relativeCostName)
            #expect(values == ["kept_tokens": Double(first.keptTokens(step: step)), "learning_rate": 2e-4])
        }
        // The more tokens are kept, the more a slot costs; the most expensive costs 1.
        let byCount = costs.sorted { $0.key < $1.key }.map(\.value)
        #expect(byCount.count > 1 && zip(byCount, byCount.dropFirst()).allSatisfy { $0 < $1 } && byCount.allSatisfy { $0 > 0 && $0 <= 1 })
        #expect(Set((0..<30).map { first.stepPlan($0).samplesDigest }).count == 30)
    }

    @Test func otherSeedsAndDatasetsGiveOtherPlans() {
        let plan = Self.plan(samples: 150).stepPlan(4)
        for other in [Self.plan(samples: 150, seed: 2), Self.plan(samples: 300), Self.plan(samples: 150, batch: 8)] {
            #expect(other.stepPlan(4).samplesDigest != plan.samplesDigest)
            #expect(plan.difference(from: other.stepPlan(4)) != nil)
        }
    }

    @Test func epochsAfterStepsAreAFraction() {
        let plan = Self.plan(samples: 50)
        #expect(plan.epochs(after: 0) == 0 && plan.epochs(after: 2) == 0.5 && plan.epochs(after: 4) == 1)
    }
}
