import ImageData
import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// A slot with every loss of stage 1 on.
@Suite struct StageOneTaskTests {
    static func configuration(_ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration {
        var configuration = SmallModel.allLosses
        change(&configuration)
        return configuration
    }

    private func weights(_ task: TokenizerTask) -> Tensor {
        let state = TrainingState(model: task.model, seed: 4)
        return Tensor(state.optimizer.weights.elements + state.statistics.values, [task.weightsCount])
    }

    private func slot(_ task: TokenizerTask, threads: Int = 1, count: Int = 3, weights: Tensor? = nil) throws -> Tensor {
        let result = Tensor(filledWith: .nan, [task.resultCount])
        try task.computeSlot(
            weights: weights ?? self.weights(task), images: try SmallModel.images(count), step: 9, slot: 5, kept: 36, into: result,
            pool: ThreadPool(threads: threads))
        return result
    }

    @Test func threadsAndRecomputationMoveNoBit() throws {
        let expected = bits(try slot(TokenizerTask(Self.configuration())))
        for threads in [2, 3] { #expect(try bits(slot(TokenizerTask(Self.configuration()), threads: threads)) == expected, "\(threads) threads") }
        let again = try bits(slot(TokenizerTask(Self.configuration { $0.training.recompute = .blocks })))
        #expect(again == expected, "recomputed")
    }

    @Test func everyPartLearnsAndEveryTermIsNamed() throws {
        let task = try TokenizerTask(Self.configuration())
        let outcome = task.vectors.outcome(of: try slot(task), pool: ThreadPool(threads: 1))
        for parameter in task.layout.parameters {
            #expect(parameter.official(from: outcome.gradient).contains { $0 != 0 }, "\(parameter.name) got no gradient")
        }
        #expect(task.model.optimizers.map(\.name) == ["generator", "discriminator"])
        let terms = Dictionary(uniqueKeysWithValues: outcome.terms.map { ($0.name, $0.value) })
        for name in ["perceptual", "alignment", "generator", "discriminator", "discriminator_hinge", "lecam", "logit_real", "logit_fake"] {
            #expect((terms[name] ?? 0) != 0, "\(name): \(terms)")
        }
        let total =
            terms["reconstruction", default: .nan] + terms["perceptual", default: .nan] + 0.1 * terms["generator", default: .nan] + 0.1
            * (terms["entropy_per_sample", default: .nan] - terms["entropy_batch", default: .nan]) + 0.25 * terms["commitment", default: .nan]
            + 0.5 * terms["source_recovery", default: .nan] + terms["alignment", default: .nan]
        #expect(abs(terms["loss", default: .nan] - total) < 1e-5 * total, "loss \(terms), weighted sum \(total)")
    }

    /// A switched-off loss takes its terms, its network and its parameters with it.
    @Test func whatIsOffIsNotThere() throws {
        let all = try TokenizerTask(Self.configuration()).model
        let plain = try TokenizerTask(SmallModel.configuration).model
        #expect(plain.termNames == Tokenizer.termNames && plain.initialStatistics.count == 0 && plain.optimizers.count == 1)
        #expect(plain.layout.parameters.allSatisfy { !$0.name.hasPrefix("disc.") && !$0.name.hasPrefix("encoder.dist_head") })
        let names = Set(all.layout.parameters.map(\.name))
        #expect(Set(plain.layout.parameters.map(\.name)).isSubset(of: names) && names.contains("disc.main.0.weight"))
        let noTeacher = try TokenizerTask(Self.configuration { $0.losses.alignment = 0 }).model
        #expect(noTeacher.teacher == nil && noTeacher.initialStatistics.centre == nil && !noTeacher.termNames.contains("alignment"))
    }

    /// The discriminator sees the generator's loss, but learns nothing from it: its gradient does not depend on the adversarial weight.
    @Test func theGeneratorsLossDoesNotTrainTheDiscriminator() throws {
        func gradients(_ weight: Double) throws -> (generator: [Float], discriminator: [Float]) {
            let task = try TokenizerTask(Self.configuration { $0.losses.adversarial = weight })
            let result = try slot(task).elements
            let ranges = task.model.optimizers.map(\.range)
            return (Array(result[ranges[0]]), Array(result[ranges[1]]))
        }
        let (weak, strong) = (try gradients(0.1), try gradients(10))
        #expect(weak.discriminator == strong.discriminator && weak.generator != strong.generator)
    }

    @Test func theAdaptiveWeightBalancesTheLastLayer() throws {
        let task = try TokenizerTask(Self.configuration {
            $0.losses.adaptive = true
            $0.losses.adversarial = 1
        })
        let outcome = task.vectors.outcome(of: try slot(task), pool: ThreadPool(threads: 1))
        let weight = try #require(outcome.terms.first { $0.name == "adversarial_weight" }?.value)
        #expect(weight > 0 && weight.isFinite && weight != 1)
    }

    /// Statistics move by the mean over all images, however these were cut into slots.
    @Test func statisticsComeBackFromACheckpoint() throws {
        let task = try TokenizerTask(Self.configuration())
        var state = TrainingState(model: task.model, seed: 4)
        let outcome = task.vectors.outcome(of: try slot(task), pool: ThreadPool(threads: 1))
        let digest = state.weightsDigest
        state.statistics = state.statistics.updated(sums: outcome.statisticSums, images: outcome.images)
        #expect(state.weightsDigest != digest && state.statistics.centre != nil && state.statistics.discriminator?.lecam.real != 0)
        let facts = TrainingState.Facts(
            configuration: task.configuration, runID: "run", datasetFingerprint: "data", sampleCount: 3, numericClass: "class", epoch: 1)
        let checkpoint = state.checkpoint(model: task.model, facts: facts)
        let paths = checkpoint.arrays.map(\.path)
        #expect(paths.contains("/optimizer/discriminator/second_moment/disc.main.0.weight"))
        #expect(paths.contains("/statistics/disc.main.3.running_var") && paths.contains("/statistics/alignment.centre"))
        #expect(!paths.contains { $0.hasPrefix("/optimizer/generator/") && $0.contains("/disc.") })
    }

    /// The first loss that a NaN in some weight reaches. Codes are signs and keep an encoder's NaN from the reconstruction, not from the entropies.
    @Test(arguments: [
        ("decoder.conv_out.bias", "the loss term reconstruction"), ("encoder.conv_in.weight", "the loss term entropy_per_sample"),
        ("source_recovery.rec_head.bias", "the loss term source_recovery"), ("disc.main.0.bias", "the loss term generator"),
    ])
    func aLossThatIsNotFiniteNamesStepSlotTermAndImages(parameter: String, culprit: String) throws {
        let task = try TokenizerTask(Self.configuration())
        let weights = weights(task)
        let parameter = try #require(task.layout.parameter(named: parameter))
        parameter.setOfficial([Float](repeating: .nan, count: parameter.count), in: weights)
        expectNotFinite(culprit) { _ = try slot(task, count: 5, weights: weights) }
    }

    private func expectNotFinite(_ culprit: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
        do {
            try body()
            Issue.record("went unnoticed", sourceLocation: sourceLocation)
        } catch {
            let text = "\(error)"
            let images = (100...102).map { "sample \($0) of the coordinator's dataset" }.joined(separator: ", ") + " and 2 more (sample ids 100, 101, 102, 103, 104);"
            #expect(
                (error as? TrainingError)?.exitCode == 76 && !text.contains("\n")
                    && text.hasPrefix("step 9, slot 5: \(culprit) is not a finite number, computed from \(images)"), "\(text)",
                sourceLocation: sourceLocation)
        }
    }

    /// Finite losses are not enough: the slope of a loss with an absurd weight is too large for the optimizer's squares.
    @Test func aGradientThatIsNotFiniteIsFoundWhereItArises() throws {
        let generator = try TokenizerTask(Self.configuration { $0.losses.commitment = 1e37 })
        expectNotFinite("the generator's gradient") { _ = try slot(generator, count: 5) }
        let discriminator = try TokenizerTask(Self.configuration { $0.losses.lecam = 1e37 })
        expectNotFinite("the discriminator's gradient") { _ = try slot(discriminator, count: 5) }
    }
}
