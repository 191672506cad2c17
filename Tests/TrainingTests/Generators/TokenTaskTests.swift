import Foundation
import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing
import Training

/// A generator's slots: what they add up to, and what they depend on.
@Suite struct TokenTaskTests {
    typealias Kind = RunConfiguration.Generator.Kind

    /// A small generator of made-up tokens.
    static func configuration(_ kind: Kind) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.task = .generator
        configuration.generator.kind = kind
        (configuration.generator.layers, configuration.generator.intraLayers) = (2, 1)
        (configuration.generator.width, configuration.generator.heads, configuration.generator.hiddenMultiple) = (32, 2, 16)
        (configuration.generator.preBits, configuration.generator.postBits) = (3, 3)
        (configuration.generator.classes, configuration.generator.grid) = (10, kind == .randar ? 3 : 4)
        if kind == .mergear { (configuration.generator.leastKept, configuration.generator.mostKept) = (9, 16) }
        return configuration
    }

    private struct Slot {
        let task: TokenTask
        let records: [TokenRecord]

        init(_ kind: Kind, change: (inout RunConfiguration) -> Void = { _ in }) throws {
            var configuration = TokenTaskTests.configuration(kind)
            change(&configuration)
            task = TokenTask(GeneratorModel(configuration), recomputation: configuration.training.recompute)
            var tokens = MadeUpTokens()
            tokens.keptCounts = kind == .llamagen ? [16] : kind == .mergear ? [9, 16] : [9]
            records = try (0..<6).map { try tokens.record($0) }
        }

        /// Weights of which none is 0: as drawn, heads are.
        var weights: Tensor {
            let weights = task.model.layout.initialWeights(seed: 3)
            let random = Philox(seed: 5, domain: "weights")
            for parameter in task.model.layout.parameters where parameter.name.hasPrefix("head") {
                for i in parameter.offset..<parameter.offset + parameter.count { weights.pointer[i] = Float(random.uniform(step: i)) * 0.2 - 0.1 }
            }
            return weights
        }

        func result(_ ids: [Int], weights: Tensor? = nil, step: Int = 4, threads: Int = 1) throws -> [Float] {
            let result = Tensor(uninitialised: [task.vectors.resultCount])
            try task.computeSlot(
                weights: weights ?? self.weights, records: ids.map { records[$0] }, samples: ids, step: step, slot: 0, into: result,
                pool: ThreadPool(threads: threads))
            return result.elements
        }
    }

    /// Dropout, orders and masks are a record's own: what a record adds does not depend on those beside it.
    @Test(arguments: Kind.allCases) func aSlotIsTheSumOfItsRecords(_ kind: Kind) throws {
        let slot = try Slot(kind)
        let together = try slot.result([0, 3, 4])
        let alone = try [0, 3, 4].map { try slot.result([$0]) }
        let worst = together.indices.map { i in abs(together[i] - alone.reduce(0) { $0 + $1[i] }) }.max() ?? 1
        let size = together.map(abs).max() ?? 0
        #expect(worst < 2e-5 * size && size > 0, "\(worst) of \(size)")
        #expect(together[slot.task.model.layout.count] == 3, "the number of records")
    }

    @Test(arguments: Kind.allCases) func noBitDependsOnThreadsOrRecomputation(_ kind: Kind) throws {
        let slot = try Slot(kind)
        let reference = try slot.result([0, 1, 2, 5])
        for threads in [2, 3] {
            let isSame = try slot.result([0, 1, 2, 5], threads: threads) == reference
            #expect(isSame, "\(threads) threads")
        }
        let again = try Slot(kind) { $0.training.recompute = .blocks }
        let isSame = try again.result([0, 1, 2, 5]) == reference
        #expect(isSame)
        let otherStep = try slot.result([0, 1, 2, 5], step: 5) == reference
        #expect(!otherStep, "another step drops other elements")
    }

    /// Heads start at zero: every code is as likely as any other (stage2 1.3).
    @Test(arguments: Kind.allCases) func theFirstLossIsThatOfAGuess(_ kind: Kind) throws {
        let slot = try Slot(kind) { $0.generator.labelSmoothing = 0 }
        let layout = slot.task.model.layout
        let result = try slot.result([0, 1], weights: layout.initialWeights(seed: 1))
        let terms = Dictionary(uniqueKeysWithValues: zip(slot.task.model.termNames, result[(layout.count + 1)...].map { Double($0) / 2 }))
        let nat = Foundation.log(2.0)
        for (name, expected) in [("loss", 6 * nat), ("nll", 6 * nat), ("nll_pre", 3 * nat), ("bits_per_token", 6)] {
            #expect(abs(try #require(terms[name]) - expected) < 1e-5, "\(name)")
        }
    }

    /// A window as long as the image, or codes that are all different: MergeAR without its instruction sees what LlamaGen sees; narrower ones see less.
    @Test func theWindowDecidesWhatIsSeen() throws {
        func loss(_ window: Int) throws -> Float {
            let slot = try Slot(.mergear) {
                $0.generator.window = window
                $0.generator.dropout = 0
                $0.generator.classDropout = 0
            }
            return try slot.result([0, 2])[slot.task.model.layout.count + 1]
        }
        #expect(try loss(16) == loss(40))
        #expect(try loss(16) != loss(1))
    }

    @Test func mergeARCountsDistinctCodes() throws {
        let slot = try Slot(.mergear)
        let names = slot.task.model.termNames
        let result = try slot.result([0, 1])
        let terms = Dictionary(uniqueKeysWithValues: zip(names, result[(slot.task.model.layout.count + 1)...]))
        let distinct = slot.records[0...1].map { Set($0.codes).count }
        #expect(terms["distinct_codes"] == Float(distinct.reduce(0, +)))
        let collisions = zip(slot.records, distinct).map { Float($0.kept - $1) / Float($0.kept) }
        #expect(abs(try #require(terms["collision_rate"]) - collisions.reduce(0, +)) < 1e-6)
    }

    @Test func aResultThatIsNotFiniteNamesItsRecords() throws {
        let slot = try Slot(.llamagen)
        let weights = slot.weights
        weights.pointer[0] = .nan
        weights.pointer[3] = .infinity
        for i in 0..<slot.task.model.layout.count where i % 7 == 0 { weights.pointer[i] = .nan }
        let error = #expect(throws: TrainingError.self) { try slot.result([2, 5], weights: weights) }
        #expect("\(try #require(error))".contains("step 4, slot 0: the loss term loss is not a finite number, computed from sample 2"))
    }

    /// Norms do not decay; matrices, tables and the position instruction do (stage2 1.7).
    @Test func whatDecays() throws {
        let model = GeneratorModel(Self.configuration(.randar))
        let kept = model.layout.parameters.filter { !model.decays($0) }.map(\.name)
        #expect(!kept.isEmpty && kept.allSatisfy { $0.hasSuffix("norm.weight") })
        let ranges = model.decayRanges(of: 0..<model.layout.count)
        #expect(ranges.map(\.range.count).reduce(0, +) == model.layout.count)
        for (range, decays) in ranges {
            let parameters = model.layout.parameters.filter { range.contains($0.offset) }
            #expect(parameters.allSatisfy { model.decays($0) == decays })
        }
    }

    /// Every shipped configuration that is no tokenizer's can be read and says what it trains.
    @Test func everyFileIsRead() throws {
        let folder = Fixtures.packageRoot.appendingPathComponent("configs").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("tokenizer-") }
        let generators = Kind.allCases.flatMap { ["generator-\($0.rawValue).yaml", "generator-\($0.rawValue)-tiny.yaml"] }
        #expect(Set(files) == Set(generators + ["source-recovery.yaml", "source-recovery-tiny.yaml"]))
        for file in files {
            let configuration = try RunConfiguration(file: "\(folder)/\(file)")
            #expect(configuration.task == (file.hasPrefix("generator-") ? .generator : .recovery))
        }
    }

    /// The paper's sizes (stage2 1.1): in the presets, of what the paper's tokenizers yield.
    @Test(arguments: zip(Kind.allCases, [343_570_432, 343_575_552, 343_571_456]))
    func thePresetsHaveThePapersSizes(_ kind: Kind, _ parameters: Int) throws {
        let file = Fixtures.packageRoot.appendingPathComponent("configs/generator-\(kind.rawValue).yaml").path
        let configuration = try RunConfiguration(file: file)
        #expect(configuration.generator.kind == kind && configuration.trainedModel.layout.count == parameters)
    }
}
