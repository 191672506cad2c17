import Foundation
import MergeVQ
import NeuralNet
import TestKit
import Testing
import Training

/// The shipped configurations: model sizes, and that they start when they can and say what they lack when they cannot.
@Suite struct PresetTests {
    struct Size: Sendable, CustomTestStringConvertible {
        let preset: String
        let encoder: Int
        let decoder: Int
        let recovery: Int
        /// Of the alignment head.
        let head: Int
        let discriminator: Int
        var testDescription: String { preset }
    }

    /// Spec 2.7, 2.8, 4.2, 4.4 (source recovery without LayerScale; 768 more positions for G) and 5.
    private static let full = [
        Size(
            preset: "tokenizer-g", encoder: 62_333_714, decoder: 82_847_171, recovery: 7_352_064 + 768 * 384, head: 2_628_352,
            discriminator: 2_765_633),
        Size(
            preset: "tokenizer-gr", encoder: 62_666_578, decoder: 83_367_235, recovery: 7_352_064, head: 6_820_608, discriminator: 2_765_633),
        Size(
            preset: "tokenizer-r", encoder: 85_681_170, decoder: 83_367_235, recovery: 7_352_064, head: 14_162_688, discriminator: 2_765_633),
    ]

    /// Spec 14. G's head is of the shallower kind: 128 · 512 + 512, twice 512, 512 · 64 + 64.
    private static let tiny = [
        Size(preset: "tokenizer-g-tiny", encoder: 1_151_114, decoder: 2_450_739, recovery: 109_056, head: 99_904, discriminator: 175_313),
        Size(preset: "tokenizer-gr-tiny", encoder: 1_151_114, decoder: 2_450_739, recovery: 109_056, head: 361_536, discriminator: 175_313),
        Size(preset: "tokenizer-r-tiny", encoder: 820_746, decoder: 2_450_739, recovery: 109_056, head: 361_536, discriminator: 175_313),
    ]

    /// The recipes of paper and official code train the same models.
    static let sizes =
        full + tiny
        + full.map {
            Size(
                preset: $0.preset + "-release", encoder: $0.encoder, decoder: $0.decoder, recovery: 0, head: $0.head,
                discriminator: $0.discriminator)
        }

    static func configuration(_ preset: String, _ overrides: [String: String] = [:]) throws -> RunConfiguration {
        try RunConfiguration(
            file: Fixtures.packageRoot.appendingPathComponent("configs/\(preset).yaml").path,
            overrides: overrides.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) })
    }

    @Test(arguments: sizes)
    func hasThePapersSize(_ size: Size) throws {
        let model = StageOneModel(try Self.configuration(size.preset).stageOne)
        func count(_ module: String) -> Int {
            model.layout.parameters.filter { $0.name.hasPrefix(module + ".") }.reduce(0) { $0 + $1.count }
        }
        #expect(count("encoder.dist_head") == size.head)
        #expect(count("encoder") - count("encoder.dist_head") == size.encoder)
        #expect(count("decoder") == size.decoder)
        #expect(count("source_recovery") == size.recovery)
        #expect(count("disc") == size.discriminator)
        #expect(model.layout.count == size.encoder + size.head + size.decoder + size.recovery + size.discriminator, "and nothing else")
    }

    /// VGG16's convolutions with LPIPS's layers (a file of them holds as many, see `WeightImportTests`), and DINOv2 ViT-B/14 at 37 × 37 positions:
    /// 12 blocks of 12 · 768² + 13 · 768 and two gains, patches, positions, class token and the last norm.
    @Test(arguments: full.map(\.preset))
    func isJudgedByNetworksOfThePublishedSize(_ preset: String) throws {
        for preset in [preset, preset + "-release"] {
            let model = StageOneModel(try Self.configuration(preset).stageOne)
            #expect(model.perceptual?.layout.count == 14_716_160)
            let block = 12 * 768 * 768 + 13 * 768 + 2 * 768
            #expect(model.teacher?.layout.count == 12 * block + (3 * 14 * 14 * 768 + 768) + (1 + 37 * 37) * 768 + 768 + 2 * 768)
        }
    }

    @Test(arguments: TokenizerConfiguration.FullSize.allCases)
    func benchmarksUseThePresets(_ variant: TokenizerConfiguration.FullSize) throws {
        let configuration = try Self.configuration("tokenizer-\(variant.rawValue)")
        #expect(configuration.tokenizerLossesOnly.tokenizer == .fullSize(variant))
        #expect(configuration.tokenizerLossesOnly.lossWeights == configuration.lossWeights)
        #expect(configuration.tokenizer != .fullSize(variant), "training has an alignment head besides")
    }

    /// What is missing is named one by one, with the command that makes it.
    @Test(arguments: sizes.map(\.preset).filter { !$0.hasSuffix("-tiny") })
    func withoutNetworksItIsRefused(_ preset: String) throws {
        func complaint(_ overrides: [String: String]) throws -> String {
            do {
                _ = try TokenizerTask(Self.configuration(preset, overrides))
                return "accepted"
            } catch TrainingError.networkMissing(let loss, let key, let command) {
                return "\(loss), \(key): \(command)"
            }
        }
        #expect(
            try complaint([:])
                == "perceptual, perceptual.network: mvq import vgg16.safetensors lpips.safetensors --kind perceptual --out perceptual.h5")
        #expect(
            try complaint(["losses.perceptual": "0"])
                == "alignment, alignment.teacher: mvq import dinov2.safetensors --kind dinov2 --out dinov2.h5")
        #expect(try complaint(["losses.perceptual": "0", "losses.alignment": "0"]) == "accepted")
    }

    /// The tiny ones need nothing, and every checkpoint says that their judges are stand-ins.
    @Test(arguments: tiny.map(\.preset))
    func theTinyOnesStartWithoutFiles(_ preset: String) throws {
        let configuration = try Self.configuration(preset)
        let task = try TokenizerTask(configuration)
        #expect(task.model.perceptual != nil && task.model.teacher != nil && task.model.discriminator != nil && task.transforms.count == 3)
        let state = try TrainingState(model: task.model, configuration: configuration)
        let facts = TrainingState.Facts(
            configuration: configuration, runID: "run", datasetFingerprint: "data", sampleCount: 3, numericClass: "class", epoch: 0)
        let stored = try #require(state.checkpoint(model: task.model, facts: facts).attributes["config"]?.string)
        let read = try RunConfiguration(yaml: stored, file: "stored")
        #expect(read.perceptual.network == .random && read.alignment.teacher == .random)
    }

    @Test func everyFileIsTested() throws {
        let folder = Fixtures.packageRoot.appendingPathComponent("configs").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") && $0.hasPrefix("tokenizer-") }
        #expect(Set(files) == Set(Self.sizes.map { $0.preset + ".yaml" }))
        #expect(Set(Self.sizes.map(\.preset)) == Set(RecipeTests.recipes.map(\.preset)))
    }
}
