import Foundation
import MergeVQ
import TestKit
import Testing
import Training

/// The shipped configurations.
@Suite struct PresetTests {
    struct Preset: Sendable, CustomTestStringConvertible {
        let name: String
        let encoder: Int
        let decoder: Int
        let recovery: Int
        let candidates: [Int]
        var testDescription: String { name }
    }

    /// Parameter counts of spec 2.8, 4.2 and 4.4 (source recovery without LayerScale; 768 more positions for G).
    static let presets = [
        Preset(name: "tokenizer-g", encoder: 62_333_714, decoder: 82_847_171, recovery: 7_352_064 + 768 * 384, candidates: [225, 256, 289, 324, 361, 400, 441, 484, 529]),
        Preset(name: "tokenizer-gr", encoder: 62_666_578, decoder: 83_367_235, recovery: 7_352_064, candidates: [121, 144, 169, 196, 225, 256]),
        Preset(name: "tokenizer-r", encoder: 85_681_170, decoder: 83_367_235, recovery: 7_352_064, candidates: [36, 49, 64, 81, 100]),
        Preset(name: "tokenizer-g-tiny", encoder: 1_151_114, decoder: 2_450_739, recovery: 109_056, candidates: [9, 16, 25, 36]),
        Preset(name: "tokenizer-r-tiny", encoder: 820_746, decoder: 2_450_739, recovery: 109_056, candidates: [9, 16, 25, 36]),
        Preset(name: "tokenizer-gr-tiny", encoder: 1_151_114, decoder: 2_450_739, recovery: 109_056, candidates: [25, 36, 49, 64]),
    ]

    @Test(arguments: presets)
    func hasThePapersSize(_ preset: Preset) throws {
        let file = Fixtures.packageRoot.appendingPathComponent("configs/\(preset.name).yaml").path
        let configuration = try RunConfiguration(file: file)
        let (_, layout) = Tokenizer.build(configuration.tokenizer)
        func count(_ module: String) -> Int {
            layout.parameters.filter { $0.name.hasPrefix(module + ".") }.reduce(0) { $0 + $1.count }
        }
        #expect(count("encoder") == preset.encoder)
        #expect(count("decoder") == preset.decoder)
        #expect(count("source_recovery") == preset.recovery)
        #expect(configuration.tokenizer.keptTokens.candidates == preset.candidates)
    }

    @Test(arguments: TokenizerConfiguration.FullSize.allCases)
    func benchmarksUseThePresets(_ variant: TokenizerConfiguration.FullSize) throws {
        let file = Fixtures.packageRoot.appendingPathComponent("configs/tokenizer-\(variant.rawValue).yaml").path
        #expect(try RunConfiguration(file: file).tokenizer == .fullSize(variant))
    }

    @Test func everyFileIsTested() throws {
        let folder = Fixtures.packageRoot.appendingPathComponent("configs").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
        #expect(Set(files) == Set(Self.presets.map { $0.name + ".yaml" }))
    }
}
