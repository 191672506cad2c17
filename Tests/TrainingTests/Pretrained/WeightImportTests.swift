import Checkpoints
import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// Importing weights: what is taken, what is refused, and that no bit moves.
@Suite struct WeightImportTests {
    private let lpips = LPIPSNames.expected

    /// Writes a file, imports it, and hands both to a check.
    private func withImport(
        _ arrays: [ExpectedArray], kind: PretrainedKind, configuration: String? = nil, _ body: (WeightImport, _ out: String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            try ForeignFile.write(arrays, to: "\(folder)/in.safetensors")
            try body(try WeightImport(["\(folder)/in.safetensors"], kind: kind, configuration: configuration), "\(folder)/out.h5")
        }
    }

    private func expectArray(_ name: String, _ expected: [Float], in file: String, group: String = "model") throws {
        let checkpoint = try CheckpointStore.load(path: file).checkpoint
        let found = try #require(checkpoint["/\(group)/\(name)"], "\(name)")
        #expect(ForeignFile.bits(found.values) == ForeignFile.bits(expected), "\(name)")
    }

    @Test(arguments: [false, true]) func lpipsLayersAreTakenUnderEitherName(list: Bool) throws {
        let named = lpips.map { ExpectedArray(list ? "lins." + $0.name.dropFirst(3) : $0.name, $0.shape) }
        try withImport(named, kind: .lpips) { weights, out in
            #expect(weights.report.isComplete && weights.report.matched.count == 5 && weights.report.extras.isEmpty)
            let outcome = try weights.write(to: out)
            #expect(outcome.arrays == 5 && outcome.parameters == 1472 && outcome.notFinite == 1 + 2 + 3 + 6 + 6 && outcome.converted == [:])
            for (source, target) in zip(named, lpips) { try expectArray(target.name, ForeignFile.values(source.name, source.shape), in: out) }
            let network = try NetworkFile(file: out, kind: .lpips)
            #expect(network.source == "in.safetensors" && network.contents == lpips.sorted { $0.name < $1.name })
        }
    }

    @Test func bothNamesOfTheLayersAtOnceAreFine() throws {
        try withImport(lpips + lpips.map { ExpectedArray("lins." + $0.name.dropFirst(3), $0.shape) }, kind: .lpips) { weights, _ in
            #expect(weights.report.isComplete && weights.report.extras.count == 5)
        }
    }

    @Test func everyFaultIsNamed() throws {
        var arrays = lpips
        arrays.remove(at: 2)
        arrays[3] = ExpectedArray(arrays[3].name, [1, 511, 1, 1])
        arrays += [ExpectedArray("surprise", [2]), ExpectedArray("scaling_layer.shift", [1, 3, 1, 1])]
        try withImport(arrays, kind: .lpips) { weights, out in
            let report = weights.report
            #expect(!report.isComplete && report.matched.map(\.name) == ["lin0.model.1.weight", "lin1.model.1.weight", "lin3.model.1.weight"])
            #expect(report.missing.map(\.name) == ["lin2.model.1.weight"] && report.missing[0].shape == [1, 256, 1, 1])
            #expect(report.misfits.map(\.name) == ["lin4.model.1.weight"] && report.misfits[0].neededShape == [1, 512, 1, 1])
            #expect(report.unknown.map(\.name) == ["surprise"] && report.extras.map(\.name) == ["surprise", "scaling_layer.shift"])
            for part in [
                "MISSING: 1\n  lin2.model.1.weight  [1, 256, 1, 1]", "is F32 [1, 511, 1, 1]  must be a float [1, 512, 1, 1]", "UNKNOWN: 1\n  surprise  [2]",
                "scaling_layer.shift  [1, 3, 1, 1]  F32  input scaling",
            ] { #expect(report.text.contains(part), "\(report.text)") }
            #expect {
                try weights.write(to: out)
            } throws: { error in
                let text = "\(error)"
                let parts = ["lin2.model.1.weight [1, 256, 1, 1]", "[1, 511, 1, 1], must be a float [1, 512, 1, 1]", "surprise", "in.safetensors"]
                for part in parts { #expect(text.contains(part), "\(text)") }
                return (error as? PretrainedError)?.exitCode == 65 && !text.contains("\n")
            }
            #expect(!FileManager.default.fileExists(atPath: out))
        }
    }

    @Test func vggWithItsClassifierLosesIt() throws {
        let names = VGG16Names.names.parts[0].spellings[0].arrays
        try withTemporaryFolder { folder in
            let (vgg, lin) = ("\(folder)/vgg.safetensors", "\(folder)/lin.safetensors")
            try ForeignFile.write(names.map { ExpectedArray($0.name, $0.shape) } + [ExpectedArray("classifier.6.bias", [1000])], to: vgg)
            try ForeignFile.write(lpips, to: lin)
            let alone = try WeightImport([vgg], kind: .perceptual)
            #expect(!alone.report.isComplete && alone.report.missing.map(\.name) == lpips.map(\.name))
            let weights = try WeightImport([vgg, lin], kind: .perceptual)
            #expect(weights.report.isComplete && weights.report.extras.map(\.reason) == ["classifier head"])
            let outcome = try weights.write(to: "\(folder)/out.h5")
            #expect(outcome.arrays == 31 && outcome.parameters == 14_716_160 && outcome.sourceSha256.count == 2)
            try expectArray("net.slice3.12.weight", ForeignFile.values("features.12.weight", [256, 256, 3, 3]), in: "\(folder)/out.h5")
            // One file serves all three.
            for kind in [PretrainedKind.perceptual, .vgg16, .lpips] { #expect(try NetworkFile(file: "\(folder)/out.h5", kind: kind).kind == .perceptual) }
            #expect { try WeightImport([vgg, vgg], kind: .perceptual) } throws: { ($0 as? PretrainedError)?.exitCode == 65 && "\($0)".contains("features.0.weight") }
        }
    }

    @Test func transformersAreChecked() throws {
        // Full-size arrays of a few kilobytes only: the headers alone decide.
        let names = DINOv2Names(.base)
        let few = names.timm.filter { $0.shape.reduce(1, *) < 5000 }
        let arrays = few.map { ExpectedArray($0.name, $0.shape) } + [ExpectedArray("mask_token", [1, 768]), ExpectedArray("reg_token", [1, 4, 768])]
        try withImport(arrays, kind: .dinov2) { weights, _ in
            #expect(weights.report.matched.count == few.count && weights.report.missing.count == names.timm.count - few.count)
            #expect(weights.report.unknown.map(\.name) == ["reg_token"] && weights.report.spellings == ["DINOv2 ViT-B/14: names of timm"])
        }
        let hugging = DINOv2Names(.small).expected.filter { $0.shape.reduce(1, *) < 5000 }.map { ExpectedArray("dinov2." + $0.name, $0.shape) }
        try withImport(hugging + [ExpectedArray("classifier.weight", [10, 768])], kind: .dinov2) { weights, _ in
            #expect(weights.report.spellings == ["DINOv2 ViT-S/14: names of Hugging Face under dinov2."] && weights.report.unknown.isEmpty)
            #expect(weights.report.matched[0].targets == ["embeddings.cls_token"] && weights.report.misfits.isEmpty)
        }
    }

    /// A fused array becomes its three in order, and timm's form comes back from ours.
    @Test func fusedRowsAreSplit() throws {
        let names = DINOv2Names(DINOv2Names.Size(title: "tiny", width: 4, blocks: 2, grid: 2))
        let files = [(file: "x", entries: names.timm.map { WeightEntry(name: $0.name, shape: $0.shape, type: "F32") })]
        #expect(try WeightImport.check(files, names: names.names).isComplete)
        var ours: [String: [Float]] = [:]
        for array in names.timm {
            for (target, values) in WeightImport.split(array, ForeignFile.values(array.name, array.shape)) { ours[target.name] = values }
        }
        #expect(ours.count == names.expected.count)
        let key = try #require(ours["encoder.layer.1.attention.attention.key.weight"])
        #expect(ForeignFile.bits(key) == Array(ForeignFile.bits(ForeignFile.values("blocks.1.attn.qkv.weight", [12, 4]))[16..<32]))
        let back = names.timmArrays(ours)
        for array in names.timm { #expect(ForeignFile.bits(back[array.name] ?? []) == ForeignFile.bits(ForeignFile.values(array.name, array.shape)), "\(array.name)") }
    }

    // MARK: Tokenizers

    private var layout: ParameterLayout { Tokenizer.build(SmallModel.configuration.tokenizer).1 }

    /// As the official code saves it: another source recovery, the discriminator, the teacher, and averages of all without dots.
    private func official(averages: Bool) -> [ExpectedArray] {
        let own = layout.parameters.filter { !$0.name.hasPrefix("source_recovery.") }.map { ExpectedArray($0.name, $0.officialShape) }
        let others = [
            ExpectedArray("loss.discriminator.main.0.weight", [2, 3, 4, 4]), ExpectedArray("loss.perceptual_loss.lin0.model.1.weight", [1, 64, 1, 1]),
            ExpectedArray("recovery.rec_tokens", [1, 64, 16]), ExpectedArray("dist_model.embeddings.cls_token", [1, 1, 8]),
            ExpectedArray("encoder.dist_head.0.weight", [2, 2]),
        ]
        let shadow = (own + others).map { ExpectedArray(TokenizerNames.averageName($0.name), $0.shape) }
        let settings = [ExpectedArray("model_ema.decay", []), ExpectedArray("model_ema.num_updates", [])]
        return own + others + (averages ? shadow + settings : [])
    }

    private func withConfiguration(_ body: (String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try SmallModel.configuration.yaml.write(toFile: "\(folder)/config.yaml", atomically: true, encoding: .utf8)
            try body("\(folder)/config.yaml")
        }
    }

    @Test(arguments: [true, false]) func anOfficialTokenizerIsTaken(averages: Bool) throws {
        try withConfiguration { configuration in
            try withImport(official(averages: averages), kind: .tokenizer, configuration: configuration) { weights, out in
                let report = weights.report
                #expect(report.isComplete && report.unknown.isEmpty, "\(report.text)")
                #expect(
                    report.absent.map(\.part)
                        == (averages ? [] : ["averaged weights"]) + ["source recovery", "averaged source recovery"])
                #expect(try weights.write(to: out).arrays == 2 * layout.parameters.count)
                for parameter in layout.parameters where !parameter.name.hasPrefix("source_recovery.") {
                    let (name, shape) = (parameter.name, parameter.officialShape)
                    try expectArray(name, ForeignFile.values(name, shape), in: out)
                    try expectArray(name, ForeignFile.values(averages ? TokenizerNames.averageName(name) : name, shape), in: out, group: "ema")
                }
                // What the file does not have starts as in a new run.
                let fresh = layout.initialWeights(seed: UInt64(SmallModel.configuration.seed))
                for parameter in layout.parameters where parameter.name.hasPrefix("source_recovery.") {
                    for group in ["model", "ema"] { try expectArray(parameter.name, parameter.official(from: fresh), in: out, group: group) }
                }
                let checkpoint = try TokenizerCheckpoint(path: out, weights: .ema)
                #expect(checkpoint.configuration == SmallModel.configuration && checkpoint.warning == nil && checkpoint.step == 0)
            }
        }
    }

    @Test(arguments: [
        ("ema.", "dots"), ("ema.", "none"), ("ema_model.", "underscores"), ("model_ema.", "dots"),
    ])
    func averagesAreFoundUnderOtherNames(prefix: String, form: String) throws {
        func average(_ name: String) -> String {
            prefix + (form == "dots" ? name : name.replacingOccurrences(of: ".", with: form == "none" ? "" : "_"))
        }
        let own = layout.parameters.map { ExpectedArray("model." + $0.name, $0.officialShape) }
        let averages = layout.parameters.map { ExpectedArray(average($0.name), $0.officialShape) }
        try withConfiguration { configuration in
            try withImport(own + averages, kind: .tokenizer, configuration: configuration) { weights, _ in
                #expect(weights.report.isComplete && weights.report.absent.isEmpty && weights.report.extras.isEmpty, "\(weights.report.text)")
                #expect(weights.report.matched.count == 2 * layout.parameters.count)
            }
            // Averages of one array only are a damaged set, not an absent one.
            try withImport(own + averages.prefix(1), kind: .tokenizer, configuration: configuration) { weights, _ in
                #expect(!weights.report.isComplete && weights.report.missing.first?.name.hasPrefix(prefix) == true)
            }
        }
    }

    @Test func aTokenizerOfAnotherSizeIsRefused() throws {
        try withTemporaryFolder { folder in
            var other = SmallModel.configuration
            other.model.bits = 6
            try other.yaml.write(toFile: "\(folder)/config.yaml", atomically: true, encoding: .utf8)
            try withImport(official(averages: true), kind: .tokenizer, configuration: "\(folder)/config.yaml") { weights, _ in
                #expect(!weights.report.isComplete && weights.report.misfits.contains { $0.name == "encoder.conv_out.weight" && $0.neededShape[0] == 6 })
            }
            #expect { try withImport(official(averages: false), kind: .tokenizer) { _, _ in } } throws: {
                "\($0)".contains("--config configs/tokenizer-gr.yaml") && ($0 as? PretrainedError)?.exitCode == 64
            }
        }
    }

    /// A damaged or hostile file ends in a typed error or a report with faults, or it has what it must have.
    @Test func noMutationGetsThroughWithAnotherShape() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/in.safetensors"
            try ForeignFile.write(lpips, to: path)
            let intact = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            let header = intact.count - 4 * 1472
            let random = Philox(seed: 12, domain: "mutations")
            var (refused, faulty, taken) = (0, 0, 0)
            for trial in 0..<1000 {
                var bytes = intact
                for change in 0...(trial % 3) {
                    let place = random.integer(below: header, sample: trial, draw: 2 * change)
                    let value = random.integer(below: 256, sample: trial, draw: 2 * change + 1)
                    bytes[place] = trial % 2 == 0 ? UInt8(value) : UInt8(ascii: "0") + UInt8(value % 10)
                }
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                do {
                    let weights = try WeightImport([path], kind: .lpips)
                    if !weights.report.isComplete {
                        faulty += 1
                        #expect(!weights.report.summary.contains("\n"))
                        continue
                    }
                    taken += 1
                    _ = try weights.write(to: "\(folder)/out.h5")
                    #expect(try NetworkFile(file: "\(folder)/out.h5", kind: .lpips).contents == lpips.sorted { $0.name < $1.name }, "trial \(trial)")
                } catch let error as WeightFileError {
                    refused += 1
                    #expect(!"\(error)".contains("\n"))
                }
            }
            #expect(refused > 500 && faulty > 50, "\(refused) refused, \(faulty) faulty, \(taken) taken")
        }
    }
}
