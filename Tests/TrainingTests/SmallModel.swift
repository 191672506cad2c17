import Checkpoints
import Foundation
import ImageData
import NeuralNet
import TensorCore
import Training

/// A tokenizer of 16 × 16 pixels and 64 tokens, and images for it.
enum SmallModel {
    static var configuration: RunConfiguration {
        var configuration = RunConfiguration()
        configuration.model.imageSize = 16
        configuration.model.channels = 8
        configuration.model.channelMultipliers = [1, 2]
        configuration.model.groups = 4
        configuration.model.encoderHeads = 2
        configuration.model.decoderHeads = 2
        configuration.model.attentionBlocks = 2
        configuration.model.bits = 5
        configuration.model.sourceRecovery.width = 16
        configuration.model.sourceRecovery.heads = 2
        return configuration
    }

    /// The same with every loss of stage 1 on.
    static var allLosses: RunConfiguration {
        var configuration = Self.configuration
        configuration.losses.perceptual = 1
        configuration.losses.adversarial = 0.1
        configuration.losses.alignment = 1
        configuration.losses.alignmentLoss = .distillation
        configuration.perceptual.network = .random
        configuration.perceptual.channels = 4
        configuration.discriminator.channels = 4
        configuration.discriminator.layers = 2
        configuration.alignment.teacher = .random
        configuration.alignment.teacherViewSize = 28
        configuration.alignment.studentViewSize = 12
        configuration.alignment.teacherWidth = 8
        configuration.alignment.teacherBlocks = 1
        configuration.alignment.teacherHeads = 2
        configuration.alignment.teacherGrid = 2
        return configuration
    }

    /// Encoded pictures, 40 × 24 pixels: wider than high, so that the crop matters.
    static func images(_ count: Int) throws -> [(sample: Int, name: String, bytes: [UInt8])] {
        let synthesizer = try DatasetSynthesizer(DatasetSynthesizer.Settings(classes: 4, perClass: count, size: 40, seed: 5))
        return (0..<count).map { number in
            let square = synthesizer.image(split: "train", label: number % 4, number: number)
            let picture = RGBImage(width: 40, height: 24, pixels: Array(square.pixels[..<(40 * 24 * 3)]))
            return (sample: 100 + number, name: "picture-\(number).JPEG", bytes: JPEG.encode(picture, quality: 90))
        }
    }
}

/// The bits of a tensor's elements: comparisons by bits tell 0 from −0 and find equal NaNs.
func bits(_ tensor: Tensor) -> [UInt32] { tensor.elements.map(\.bitPattern) }

/// Numbers that differ from element to element.
func noise(_ count: Int, key: String) -> Tensor {
    let random = Philox(seed: 11, domain: key)
    return Tensor((0..<count).map { Float(random.uniform(draw: $0) - 0.5) }, [count])
}

/// Runs `body` with a new empty folder, removed at the end.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("training-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}
