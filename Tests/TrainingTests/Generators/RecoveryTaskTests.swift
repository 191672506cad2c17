import Foundation
import Generators
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing
import Training

/// Source recovery on its own: its size, what it learns, and the errors that its codes get.
@Suite struct RecoveryTaskTests {
    private static func configuration() -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.task = .recovery
        (configuration.recovery.width, configuration.recovery.heads) = (16, 2)
        (configuration.recovery.crossAttentionBlocks, configuration.recovery.selfAttentionBlocks) = (1, 1)
        (configuration.recovery.bits, configuration.recovery.grid) = (6, 4)
        return configuration
    }

    private static func records(_ count: Int, kept: [Int]) throws -> [TokenRecord] {
        var tokens = MadeUpTokens()
        tokens.keptCounts = kept
        return try (0..<count).map { try tokens.record($0) }
    }

    private static func result(_ configuration: RunConfiguration, _ records: [TokenRecord], ids: [Int]? = nil, threads: Int = 1) throws -> [Float] {
        let task = TokenTask(try configuration.tokenModel(), recomputation: .none)
        let result = Tensor(uninitialised: [task.vectors.resultCount])
        try task.computeSlot(
            weights: task.model.layout.initialWeights(seed: 3), records: records, samples: ids ?? Array(records.indices), step: 2, slot: 0,
            into: result, pool: ThreadPool(threads: threads))
        return result.elements
    }

    @Test func thePresetHasThePapersSize() throws {
        let file = Fixtures.packageRoot.appendingPathComponent("configs/source-recovery.yaml").path
        #expect(try RunConfiguration(file: file).trainedModel.layout.count == 7_355_136)
    }

    /// Images of several K in one slot count as alone.
    @Test func aSlotIsTheSumOfItsRecords() throws {
        let records = try Self.records(5, kept: [9, 16])
        let together = try Self.result(Self.configuration(), records)
        let alone = try records.indices.map { try Self.result(Self.configuration(), [records[$0]], ids: [$0]) }
        let worst = together.indices.map { i in abs(together[i] - alone.reduce(0) { $0 + $1[i] }) }.max() ?? 1
        #expect(worst < 2e-5 * (together.map(abs).max() ?? 0))
        #expect(try Self.result(Self.configuration(), records, threads: 3) == together)
    }

    /// With K = 1 every cell belongs to the only slot.
    @Test func oneSlotIsAlwaysFound() throws {
        let records = [try TokenRecord(image: 0, view: 0, label: 0, codes: [5], owners: [UInt16](repeating: 0, count: 16))]
        let terms = try Self.result(Self.configuration(), records).suffix(5)
        #expect(Array(terms) == [0, 1, 1, 1, 0])
    }

    /// Codes get the generator's errors: as many as asked for at most, the same whoever computes them, others at another step.
    @Test func codesGetTheGeneratorsErrors() throws {
        try withTemporaryFolder { folder in
            // A generator that has learnt nothing draws every code alike.
            let generator = TokenTaskTests.configuration(.randar)
            let model = GeneratorModel(generator)
            let file = "\(folder)/generator.h5"
            let facts = TrainingState.Facts(
                configuration: generator, runID: "run", datasetFingerprint: "", sampleCount: 1, numericClass: "", epoch: 0)
            try TrainingState(model: model, seed: 1).checkpoint(model: model, facts: facts).write(to: file)
            var configuration = Self.configuration()
            configuration.recovery.generator = file
            let records = try Self.records(6, kept: [9])
            let corrupted = try Self.result(configuration, records)
            let isSame = try Self.result(configuration, records, threads: 2) == corrupted
            #expect(isSame)
            let share = corrupted[corrupted.count - 1] / 6
            // Half of nine codes at most, of which one in 64 is drawn right by chance.
            #expect(share > 0.05 && share < 4 / 9.0, "\(share)")
            configuration.recovery.corruption = 0
            let isTrue = try Self.result(configuration, records) == Self.result(Self.configuration(), records)
            #expect(isTrue)
            configuration.recovery.generator = "\(folder)/none.h5"
            #expect(throws: (any Error).self) { try Self.result(configuration, records) }
            // Another generator than the run's.
            configuration.recovery.generator = file
            configuration.recovery.sha256 = String(repeating: "0", count: 64)
            let error = #expect(throws: TrainingError.self) { try Self.result(configuration, records) }
            #expect("\(try #require(error))".contains("another network"))
        }
    }
}
