import Checkpoints
import Foundation
import Generators
import NeuralNet
import TensorCore
import Training

/// Checkpoint files of a small tokenizer, 16 × 16 pixels in 8 × 8 codes of 5 bits, and of generators that learnt its tokens.
struct SmallGenerator {
    typealias Kind = RunConfiguration.Generator.Kind

    let folder: String
    /// The tokenizer's checkpoint file.
    let tokenizerPath: String
    private let tokenizerDigest: String

    /// Writes the tokenizer.
    init(folder: String) throws {
        self.folder = folder
        let model = try TokenizerTask(SmallModel.configuration).model
        tokenizerPath = try SmallGenerator.write(model, SmallModel.configuration, to: folder) { _, _ in }
        tokenizerDigest = try TokenizerCheckpoint(path: tokenizerPath, weights: .ema).weightsDigest
    }

    func tokenizer() throws -> TokenizerCheckpoint { try TokenizerCheckpoint(path: tokenizerPath, weights: .ema) }

    /// RandAR makes 16 tokens; MergeAR has learnt to make 9, 16, 25 and 36 different ones.
    func configuration(_ kind: Kind) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.task = .generator
        configuration.generator.kind = kind
        (configuration.generator.layers, configuration.generator.intraLayers) = (2, 1)
        (configuration.generator.width, configuration.generator.heads, configuration.generator.hiddenMultiple) = (32, 2, 16)
        (configuration.generator.preBits, configuration.generator.postBits) = (2, 3)
        (configuration.generator.classes, configuration.generator.grid) = (4, kind == .randar ? 4 : 8)
        if kind == .mergear { (configuration.generator.leastKept, configuration.generator.mostKept) = (9, 36) }
        configuration.generator.tokenizer = tokenizerDigest
        return configuration
    }

    /// Writes a generator and reads it again.
    func generator(_ kind: Kind, names: [String] = [], change: (inout RunConfiguration) -> Void = { _ in }, damage: Bool = false) throws -> GeneratorCheckpoint {
        try GeneratorCheckpoint(path: generatorFile(kind, names: names, change: change, damage: damage), weights: .ema)
    }

    func generatorFile(
        _ kind: Kind, names: [String] = [], change: (inout RunConfiguration) -> Void = { _ in }, damage: Bool = false
    ) throws -> String {
        var configuration = configuration(kind)
        change(&configuration)
        let json = "[" + names.map { "\"\($0)\"" }.joined(separator: ",") + "]"
        return try SmallGenerator.write(
            GeneratorModel(configuration), configuration, source: names.isEmpty ? [:] : ["class_names": .string(json)], to: folder
        ) { parameter, values in
            // As drawn, heads are 0, and other weights are too small for classes to matter.
            let random = Philox(seed: 5, domain: parameter.name)
            if parameter.shape.rank > 1 { for i in values.indices { values[i] = Float(random.uniform(draw: i) - 0.5) } }
            if damage, parameter.name.hasPrefix("head.1") { values[7] = .nan }
        }
    }

    /// Writes source recovery trained on its own and reads it again.
    func recovery(tokenizer: String? = nil) throws -> RecoveryCheckpoint {
        var configuration = RunConfiguration()
        configuration.task = .recovery
        (configuration.recovery.width, configuration.recovery.heads) = (16, 2)
        (configuration.recovery.bits, configuration.recovery.grid, configuration.recovery.tokenizer) = (5, 8, tokenizer ?? tokenizerDigest)
        let path = try SmallGenerator.write(configuration.trainedModel, configuration, to: folder) { parameter, values in
            let random = Philox(seed: 6, domain: parameter.name)
            if parameter.shape.rank > 1 { for i in values.indices { values[i] = Float(random.uniform(draw: i) - 0.5) } }
        }
        return try RecoveryCheckpoint(path: path, weights: .ema)
    }

    private static func write(
        _ model: any TrainedModel, _ configuration: RunConfiguration, source: [String: AttributeValue] = [:], to folder: String,
        change: (Parameter, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws -> String {
        let state = TrainingState(model: model, seed: 1)
        for parameter in model.layout.parameters {
            for vector in [state.optimizer.weights, state.optimizer.ema] {
                vector.slice(from: parameter.offset, parameter.shape).withElements { change(parameter, $0) }
            }
        }
        let checkpoint = state.checkpoint(
            model: model,
            facts: TrainingState.Facts(
                configuration: configuration, runID: "run", datasetFingerprint: "data", sampleCount: 3, numericClass: "class", epoch: 1,
                source: source))
        return try CheckpointStore(directory: "\(folder)/\(UUID().uuidString)").publish(checkpoint).file
    }
}
