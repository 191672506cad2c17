import Checkpoints
import Foundation
import MergeVQ
import TestKit
import Testing
import Training

/// The tables of names against lists written elsewhere.
@Suite struct WeightNamesTests {
    /// Names and shapes of a fixture's weights.
    private func fixture(_ file: String, _ table: String, without prefix: String) throws -> [ExpectedArray] {
        let reader = try HDF5Reader(path: Fixtures.folder.appendingPathComponent(file).path)
        let json = try JSONSerialization.jsonObject(with: Data(try reader.bytes(table))) as? [[String: Any]] ?? []
        return try json.map { entry in
            let name = try #require(entry["name"] as? String)
            #expect(name.hasPrefix(prefix))
            return ExpectedArray(String(name.dropFirst(prefix.count)), try #require(entry["shape"] as? [Int]))
        }
    }

    private func expectSame(_ mine: [ExpectedArray], _ theirs: [ExpectedArray]) {
        func table(_ arrays: [ExpectedArray]) -> [String: [Int]] { Dictionary(arrays.map { ($0.name, $0.shape) }) { a, _ in a } }
        #expect(table(mine) == table(theirs) && mine.count == theirs.count && !mine.isEmpty)
    }

    @Test(.enabled(if: Fixtures.exist("10_"), Fixtures.skipped)) func dinoV2HasTheNamesOfTheFixture() throws {
        expectSame(DINOv2Names(.base).expected, try fixture("10_teacher.h5", "vitb14/params_hashed_json", without: "teacher."))
        let small = DINOv2Names.Size(title: "fixture", width: 48, blocks: 3, grid: 5)
        expectSame(DINOv2Names(small).expected, try fixture("10_teacher.h5", "small/params_hashed_json", without: "teacher."))
    }

    @Test(.enabled(if: Fixtures.exist("09_"), Fixtures.skipped)) func perceptualNamesAreThoseOfTheFixture() throws {
        expectSame(VGG16Names.expected + LPIPSNames.expected, try fixture("09_lpips.h5", "params_hashed_json", without: "lpips."))
    }

    /// Weight selection copies by timm's names: those of the fixture's teacher are all in the table.
    @Test(.enabled(if: Fixtures.exist("11_"), Fixtures.skipped)) func timmNamesAreThoseOfTheFixture() throws {
        let table = Dictionary(DINOv2Names(.base).timm.map { ($0.name, $0.shape) }) { a, _ in a }
        let selected = try fixture("11_weight_selection.h5", "vitb_768_to_512/params_hashed_json", without: "")
            .filter { $0.name.hasPrefix("blocks.0.") || $0.name == "cls_token" }
        #expect(selected.count >= 15)
        for array in selected { #expect(table[array.name] == array.shape, "\(array.name)") }
    }

    @Test func vggIsNumberedAsByTorchvision() {
        let torchvision = VGG16Names.names.parts[0].spellings[0].arrays
        let parameters = VGG16Names.expected.map { $0.shape.reduce(1, *) }.reduce(0, +)
        #expect(VGG16Names.expected.count == 26 && parameters == 14_714_688)
        let numbers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
        let convolutions = torchvision.map(\.name).filter { $0.hasSuffix("weight") }
        #expect(convolutions == numbers.map { "features.\($0).weight" })
        #expect(torchvision.first { $0.name == "features.21.bias" } == SourceArray("features.21.bias", [512], ["net.slice4.21.bias"]))
    }

    @Test func timmFusesQueryKeyAndValue() throws {
        let names = DINOv2Names(.base)
        #expect(names.timm.count == 174 && names.expected.count == 222)
        let parameters = names.expected.map { $0.shape.reduce(1, *) }.reduce(0, +)
        #expect(parameters == 86_580_480 - 768, "ViT-B/14 without its mask token")
        let fused = try #require(names.timm.first { $0.name == "blocks.11.attn.qkv.weight" })
        #expect(fused.shape == [2304, 768])
        let targets = ["query", "key", "value"].map { "encoder.layer.11.attention.attention.\($0).weight" }
        #expect(fused.targets == targets)
        let tiny = DINOv2Names(DINOv2Names.Size(title: "tiny", width: 1, blocks: 1, grid: 1))
        let values: [String: [Float]] = [
            "encoder.layer.0.attention.attention.query.bias": [1], "encoder.layer.0.attention.attention.key.bias": [2],
            "encoder.layer.0.attention.attention.value.bias": [3], "layernorm.weight": [4], "encoder.layer.0.attention.attention.query.weight": [5],
        ]
        #expect(tiny.timmArrays(values) == ["blocks.0.attn.qkv.bias": [1, 2, 3], "norm.weight": [4]])
    }

    @Test func averagesAreNamedAsByTheOfficialCode() {
        #expect(TokenizerNames.averageName("encoder.attn.blocks.1.ls1.gamma") == "model_ema.encoderattnblocks1ls1gamma")
        // Without dots, names of the full-size models stay distinct.
        for variant in TokenizerConfiguration.FullSize.allCases {
            let names = Tokenizer.build(.fullSize(variant)).1.parameters.map { TokenizerNames.averageName($0.name) }
            #expect(Set(names).count == names.count && names.count > 300, "\(variant)")
        }
    }

    @Test func harmlessNamesAreWholeOrBeginnings() {
        let names = HarmlessNames(["head.*", "mask_token"], "")
        #expect(names.match("head.weight") && names.match("mask_token"))
        #expect(!names.match("mask_tokens") && !names.match("header") && !names.match("x.head.weight"))
    }
}
