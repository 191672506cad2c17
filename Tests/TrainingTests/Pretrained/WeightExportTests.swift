import Checkpoints
import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// Exported weights come back bit for bit, whatever their bits.
@Suite struct WeightExportTests {
    private let task: TokenizerTask

    init() throws { task = try TokenizerTask(SmallModel.configuration) }

    /// A checkpoint whose weights and averages are any bit patterns.
    private func writeCheckpoint(to path: String, of other: TokenizerTask? = nil) throws -> Checkpoint {
        let task = other ?? task
        func patterns(_ key: String) -> Tensor {
            let random = Philox(seed: 21, domain: key)
            return Tensor((0..<task.layout.count).map { Float(bitPattern: UInt32(truncatingIfNeeded: random.bits(draw: $0))) }, [task.layout.count])
        }
        var state = TrainingState(model: task.model, seed: 1)
        state.optimizer = AdamW.State(
            weights: patterns("weights"), firstMoment: patterns("first"), secondMoment: patterns("second"), ema: patterns("ema"), step: 9)
        state.step = 11
        let checkpoint = state.checkpoint(
            model: task.model,
            facts: TrainingState.Facts(
                configuration: task.configuration, runID: "run", datasetFingerprint: "data", sampleCount: 3, numericClass: "class", epoch: 1))
        try checkpoint.write(to: path)
        return checkpoint
    }

    private func expectGroup(_ group: String, of imported: Checkpoint, equals other: String, of original: Checkpoint) {
        let (mine, theirs) = (imported.arrays(under: "/\(group)"), original.arrays(under: "/\(other)"))
        #expect(mine.keys.sorted() == theirs.keys.sorted() && mine.count == task.layout.parameters.count)
        for (name, array) in mine {
            #expect(array.shape == theirs[name]?.shape && ForeignFile.bits(array.values) == ForeignFile.bits(theirs[name]?.values ?? []), "\(group) \(name)")
        }
    }

    @Test(arguments: WeightExport.Weights.allCases) func allBitsComeBack(_ which: WeightExport.Weights) throws {
        try withTemporaryFolder { folder in
            let original = try writeCheckpoint(to: "\(folder)/checkpoint.h5")
            let outcome = try WeightExport.write(checkpoint: "\(folder)/checkpoint.h5", weights: which, to: "\(folder)/out.safetensors")
            #expect(outcome.step == 11 && outcome.tensors == task.layout.parameters.count * (which == .both ? 2 : 1))
            let file = try SafetensorsReader(path: "\(folder)/out.safetensors")
            #expect(file.metadata["format"] == "pt" && file.metadata["mvq_weights"] == which.rawValue && file.metadata["mvq_step"] == "11")
            #expect(file.entries.first { $0.name == "encoder.conv_in.weight" }?.shape == [8, 3, 3, 3], "official layout")

            let weights = try WeightImport(["\(folder)/out.safetensors"], kind: .tokenizer)
            #expect(weights.report.isComplete && weights.report.extras.isEmpty)
            #expect(weights.report.absent.map(\.part) == (which == .both ? [] : ["averaged weights", "averaged source recovery"]))
            _ = try weights.write(to: "\(folder)/back.h5")
            let imported = try CheckpointStore.load(path: "\(folder)/back.h5").checkpoint
            expectGroup("model", of: imported, equals: which == .averaged ? "ema" : "model", of: original)
            expectGroup("ema", of: imported, equals: which == .raw ? "model" : "ema", of: original)
            #expect(imported.step == 11 && imported.attributes["kind"] == "tokenizer")

            let checkpoint = try TokenizerCheckpoint(path: "\(folder)/back.h5", weights: .raw)
            #expect(checkpoint.configuration == task.configuration && checkpoint.step == 11)
            // Exported again, the file is the same.
            if which == .both {
                let again = try WeightExport.write(checkpoint: "\(folder)/back.h5", weights: .both, to: "\(folder)/again.safetensors")
                #expect(again.sha256 == outcome.sha256)
            }
        }
    }

    /// A training checkpoint is itself a source: averages and optimizer state are told apart.
    @Test func aCheckpointCanBeImportedDirectly() throws {
        try withTemporaryFolder { folder in
            let original = try writeCheckpoint(to: "\(folder)/checkpoint.h5")
            let weights = try WeightImport(["\(folder)/checkpoint.h5"], kind: .tokenizer)
            #expect(weights.report.isComplete && weights.report.absent.isEmpty)
            _ = try weights.write(to: "\(folder)/back.h5")
            let imported = try CheckpointStore.load(path: "\(folder)/back.h5").checkpoint
            for group in ["model", "ema"] { expectGroup(group, of: imported, equals: group, of: original) }
        }
    }

    /// The discriminator and its statistics are in the files, but no tokenizer needs them; the alignment head belongs to its encoder.
    @Test(arguments: WeightExport.Weights.allCases) func aRunWithAllLossesComesBackAsATokenizer(_ which: WeightExport.Weights) throws {
        try withTemporaryFolder { folder in
            let all = try TokenizerTask(StageOneTaskTests.configuration())
            let original = try writeCheckpoint(to: "\(folder)/checkpoint.h5", of: all)
            _ = try WeightExport.write(checkpoint: "\(folder)/checkpoint.h5", weights: which, to: "\(folder)/out.safetensors")
            for file in ["checkpoint.h5", "out.safetensors"] {
                let weights = try WeightImport(["\(folder)/\(file)"], kind: .tokenizer)
                #expect(weights.report.isComplete && weights.report.unknown.isEmpty, "\(weights.report.text)")
                #expect(weights.report.extras.contains { $0.name.contains("disc") })
                _ = try weights.write(to: "\(folder)/back.h5")
                let imported = try CheckpointStore.load(path: "\(folder)/back.h5").checkpoint.arrays(under: "/model")
                let source = original.arrays(under: file == "out.safetensors" && which == .averaged ? "/ema" : "/model")
                #expect(imported.keys.sorted() == source.keys.filter { !$0.hasPrefix("disc.") }.sorted())
                #expect(imported.keys.contains { $0.hasPrefix("encoder.dist_head.") })
                for (name, array) in imported { #expect(ForeignFile.bits(array.values) == ForeignFile.bits(source[name]?.values ?? []), "\(name)") }
                _ = try TokenizerCheckpoint(path: "\(folder)/back.h5", weights: .ema)
            }
        }
    }

    @Test func damageIsNoticed() throws {
        try withTemporaryFolder { folder in
            _ = try writeCheckpoint(to: "\(folder)/checkpoint.h5")
            let path = "\(folder)/out.safetensors"
            _ = try WeightExport.write(checkpoint: "\(folder)/checkpoint.h5", weights: .raw, to: path)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            bytes[bytes.count - 3] ^= 1
            try bytes.write(to: URL(fileURLWithPath: path))
            let weights = try WeightImport([path], kind: .tokenizer)
            #expect(weights.report.isComplete)
            #expect { try weights.write(to: "\(folder)/back.h5") } throws: { "\($0)".contains("mvq_digest") && $0 is WeightFileError }
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/back.h5"))
        }
    }

    @Test func whatCannotBeExportedIsNamed() throws {
        try withTemporaryFolder { folder in
            let names = LPIPSNames.expected
            try ForeignFile.write(names, to: "\(folder)/in.safetensors")
            _ = try WeightImport(["\(folder)/in.safetensors"], kind: .lpips).write(to: "\(folder)/lpips.h5")
            #expect { try WeightExport.write(checkpoint: "\(folder)/lpips.h5", weights: .averaged, to: "\(folder)/x.safetensors") } throws: {
                "\($0)".contains("holds no averaged weights")
            }
            let outcome = try WeightExport.write(checkpoint: "\(folder)/lpips.h5", weights: .raw, to: "\(folder)/x.safetensors")
            #expect(outcome.tensors == 5)
            _ = try WeightImport(["\(folder)/x.safetensors"], kind: .lpips).write(to: "\(folder)/back.h5")
            for array in names {
                let back = try NetworkFile(file: "\(folder)/back.h5", kind: .lpips).values(of: [array])
                #expect(ForeignFile.bits(back[array.name] ?? []) == ForeignFile.bits(ForeignFile.values(array.name, array.shape)))
            }
        }
    }

    /// A file may claim to be a model whose parameters cannot even be counted.
    @Test(arguments: ["residual_blocks: 1024", "attention_blocks: 1024", "source_recovery: {width: 65536}"])
    func aConfigurationThatTheFileCannotHoldIsRefused(claim: String) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/hostile.safetensors"
            let yaml = "merging: {kept_tokens: 49, candidates: 1}\nmodel: {channels: 65536, channel_multipliers: [1024, 1024, 1024, 1024], groups: 8, \(claim)}"
            let array = SafetensorsWriter.Array(name: "encoder.conv_in.weight", shape: [1], values: [0])
            _ = try SafetensorsWriter.write([array], metadata: ["mvq_config": yaml], to: path)
            #expect { try WeightImport([path], kind: .tokenizer) } throws: { "\($0)".hasPrefix("\(path) (mvq_config): model has ") && "\($0)".contains("lower model.channels") }
        }
    }
}
