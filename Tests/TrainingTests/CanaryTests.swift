import Fleet
import MergeVQ
import TensorCore
import Testing
import Training

/// What a process computes before it is let in.
@Suite struct CanaryTests {
    @Test func itHasEveryLayerEveryLossAndEveryGradient() throws {
        let configuration = SmallModel.configuration
        let canary = try Canary(configuration, pool: ThreadPool(threads: 1))
        let names = canary.readings.compactMap { $0.split(separator: " ").first.map(String.init) }
        let weights = Tokenizer.build(configuration.tokenizer).1.parameters.map(\.name)
        #expect(names.first == "image")
        #expect(names.filter { $0.hasPrefix("gradient:") } == weights.reversed().map { "gradient:" + $0 })
        #expect(names.filter { $0.hasPrefix("loss:") }.count == Tokenizer.termNames.count)
        // A layer is named by the last of its weights: each has one, and gives a result of its own.
        let layers = names.filter { !$0.contains(":") }.dropFirst()
        #expect(layers.count > weights.count / 4 && Set(layers).subtracting(weights).subtracting(["input"]).isEmpty)
        let digests = canary.readings.compactMap { $0.split(separator: " ").last }
        #expect(digests.allSatisfy { $0.count == 8 } && Set(digests).count > digests.count * 3 / 4)
    }

    @Test func itIsTheSameWithAnyNumberOfThreadsAndOtherLosses() throws {
        let one = try Canary(SmallModel.configuration, pool: ThreadPool(threads: 1))
        #expect(try Canary(SmallModel.configuration, pool: ThreadPool(threads: 3)).firstDifference(from: one) == nil)
        // The coordinator has no judging networks.
        #expect(try Canary(SmallModel.allLosses.tokenizerLossesOnly, pool: ThreadPool(threads: 1)).firstDifference(
            from: try Canary(SmallModel.allLosses, pool: ThreadPool(threads: 1))) == nil)
    }
}
