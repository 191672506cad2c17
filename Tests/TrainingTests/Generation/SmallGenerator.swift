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
    private let tokenizerDigest: String

    /// Writes the tokenizer.
    init(folder: String) throws {
        self.folder = folder
        let model = try TokenizerTask(SmallModel.configuration).model
        tokenizerDigest = try SmallGenerator.write(model, SmallModel.configuration, to: "\(folder)/tokenizer.h5") { _, _ in }
    }

    var tokenizerPath: String { folder + "/tokenizer.h5" }

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
        let path = "\(folder)/\(kind.rawValue)-\(UUID().uuidString.prefix(8)).h5"
        let json = "[" + names.map { "\"\($0)\"" }.joined(separator: ",") + "]"
        _ = try SmallGenerator.write(
            GeneratorModel(configuration), configuration, source: names.isEmpty ? [:] : ["class_names": .string(json)], to: path
        ) { parameter, values in
            // As drawn, heads are 0, and other weights are too small for classes to matter.
            let random = Philox(seed: 5, domain: parameter.name)
            if parameter.shape.rank > 1 { for i in values.indices { values[i] = Float(random.uniform(draw: i) - 0.5) } }
            if damage, parameter.name.hasPrefix("head.1") { values[7] = .nan }
        }
        return path
    }

    private static func write(
        _ model: any TrainedModel, _ configuration: RunConfiguration, source: [String: AttributeValue] = [:], to path: String,
        change: (Parameter, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws -> String {
        let state = TrainingState(model: model, seed: 1)
        for parameter in model.layout.parameters {
            for vector in [state.optimizer.weights, state.optimizer.ema] {
                vector.slice(from: parameter.offset, parameter.shape).withElements { change(parameter, $0) }
            }
        }
        try state.checkpoint(
            model: model,
            facts: TrainingState.Facts(
                configuration: configuration, runID: "run", datasetFingerprint: "data", sampleCount: 3, numericClass: "class", epoch: 1,
                source: source)
        ).write(to: path)
        return TrainingState.digest(of: state.optimizer.ema)
    }
}
