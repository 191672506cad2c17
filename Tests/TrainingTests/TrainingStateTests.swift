import Checkpoints
import Fleet
import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// What a run carries from one checkpoint to the next, through a file.
@Suite struct TrainingStateTests {
    private let task: TokenizerTask

    init() throws { task = try TokenizerTask(SmallModel.configuration) }

    private func state() -> TrainingState {
        let count = task.layout.count
        var state = TrainingState(model: task.model, seed: 1)
        state.optimizer = AdamW.State(
            weights: noise(count, key: "weights"), firstMoment: noise(count, key: "first"), secondMoment: noise(count, key: "second"),
            ema: noise(count, key: "ema"), step: 41)
        state.step = 42
        return state
    }

    private var facts: TrainingState.Facts {
        TrainingState.Facts(
            configuration: task.configuration, runID: RunID(high: 7, low: 8).description, datasetFingerprint: "data", sampleCount: 50,
            numericClass: "class", epoch: 6)
    }

    private func published(_ checkpoint: Checkpoint, in folder: String) throws -> LoadedCheckpoint {
        let store = CheckpointStore(directory: folder)
        try store.prepare()
        try store.publish(checkpoint)
        return try store.load(step: checkpoint.step)
    }

    @Test func aStateComesBackBitForBit() throws {
        let state = state()
        try withTemporaryFolder { folder in
            let loaded = try published(state.checkpoint(model: task.model, facts: facts), in: folder)
            let back = try TrainingState(loaded, model: task.model)
            #expect(back.step == 42 && back.optimizer.step == 41)
            #expect(bits(back.optimizer.weights) == bits(state.optimizer.weights) && back.weightsDigest == state.weightsDigest)
            #expect(bits(back.optimizer.ema) == bits(state.optimizer.ema))
            #expect(bits(back.optimizer.firstMoment) == bits(state.optimizer.firstMoment))
            #expect(bits(back.optimizer.secondMoment) == bits(state.optimizer.secondMoment))
            let attributes = loaded.checkpoint.attributes
            #expect(attributes["epoch"] == 6 && attributes["sample_count"] == 50 && attributes["seed"] == 1)
            #expect(attributes["dataset_fingerprint"] == "data" && attributes["numeric_class"] == "class")
            #expect(
                attributes["run_id"] == .string("00000000000000070000000000000008")
                    && attributes["build"] == .string(BuildVersion.current))
            #expect(try attributes["config"]?.string.map { try RunConfiguration(yaml: $0, file: "config") } == task.configuration)
        }
    }

    /// The one that a run uses: training goes on while the arrays are made, one by one, and while another snapshot waits.
    @Test func aSnapshotDoesNotChangeWhileItIsWritten() throws {
        let state = state()
        let expected = Checkpoint(state.checkpoint(model: task.model, facts: facts))
        var memory = SnapshotMemory(model: task.model)
        let pool = ThreadPool(threads: 2)
        @Sendable func spoil() {
            for vector in [state.optimizer.weights, state.optimizer.ema, state.optimizer.firstMoment, state.optimizer.secondMoment] {
                vector.withElements { elements in for i in elements.indices { elements[i] += 1 } }
            }
        }
        try withTemporaryFolder { folder in
            // Between the stages of the publication training takes a step; the file is read back and compared in one of them.
            let store = CheckpointStore(directory: folder, beforeStage: { _ in spoil() })
            do {
                let snapshot = memory.snapshot(of: state, facts: facts, pool: pool)
                spoil()
                let later = memory.snapshot(of: state, facts: facts, pool: pool)
                try store.publish(snapshot)
                let isOld = try store.load(step: 42).checkpoint.contentSHA256 == expected.contentSHA256
                #expect(isOld && Checkpoint(later).contentSHA256 != expected.contentSHA256)
                #expect(memory.allocated == 2)
            }
            for _ in 0..<3 { try store.publish(memory.snapshot(of: state, facts: facts, pool: pool)) }
            #expect(memory.allocated == 2, "the memory of snapshots that were written is used again")
        }
    }

    /// A checkpoint is a copy: training may write the vectors in place while it is on its way to the disk.
    @Test func aCheckpointDoesNotChangeWithTheState() {
        let state = state()
        let checkpoint = state.checkpoint(model: task.model, facts: facts)
        let before = checkpoint.arrays
        state.optimizer.weights.fillInPlace(0)
        state.optimizer.ema.fillInPlace(0)
        #expect(checkpoint.arrays == before && before.contains { $0.values.contains { $0 != 0 } })
    }

    @Test func anotherModelsCheckpointIsRefusedByTensor() throws {
        var wider = SmallModel.configuration
        wider.model.bits = 6
        var deeper = SmallModel.configuration
        deeper.model.attentionBlocks = 3
        try withTemporaryFolder { folder in
            let loaded = try published(state().checkpoint(model: task.model, facts: facts), in: folder)
            for (configuration, expected) in [(wider, "has shape"), (deeper, "lacks /model/encoder.attn.blocks.2.")] {
                do {
                    _ = try TrainingState(loaded, model: TokenizerTask(configuration).model)
                    Issue.record("accepted for another model")
                } catch {
                    let text = "\(error)"
                    #expect(
                        text.hasPrefix("\(folder)/step-00000042.h5: ") && text.contains(expected) && text.contains("/model/"), "\(text)")
                    #expect(!text.contains("\n") && (error as? any ExitCoded)?.exitCode == 66)
                }
            }
        }
    }

    /// A new run may start from the checkpoint of one with more losses, to go on without them; not the other way round.
    @Test func lossesMayBeLeftOut() throws {
        let all = try TokenizerTask(SmallModel.allLosses)
        var fewer = SmallModel.allLosses
        fewer.losses.adversarial = 0
        fewer.losses.alignment = 0
        let less = try TokenizerTask(fewer)
        try withTemporaryFolder { folder in
            let full = TrainingState(model: all.model, seed: 1)
            let loaded = try published(full.checkpoint(model: all.model, facts: facts), in: folder)
            let state = try TrainingState(loaded, model: less.model)
            #expect(state.statistics.count == 0 && state.optimizer.weights.count == less.layout.count && less.layout.count < all.layout.count)
            for parameter in less.layout.parameters {
                let same = all.layout.parameters.first { $0.name == parameter.name }?.official(from: full.optimizer.weights)
                let isKept = same == parameter.official(from: state.optimizer.weights)
                #expect(isKept, "\(parameter.name)")
            }
        }
        try withTemporaryFolder { folder in
            let loaded = try published(TrainingState(model: less.model, seed: 1).checkpoint(model: less.model, facts: facts), in: folder)
            do {
                _ = try TrainingState(loaded, model: all.model)
                Issue.record("accepted without a discriminator")
            } catch {
                #expect("\(error)".contains("or to one without the loss that needs it"), "\(error)")
            }
        }
    }

    @Test func weightsMustHaveTheirDigest() throws {
        let original = state().checkpoint(model: task.model, facts: facts)
        func altered(_ change: (inout [String: AttributeValue]) -> Void) -> Checkpoint {
            var attributes = original.attributes
            change(&attributes)
            return Checkpoint(step: original.step, attributes: attributes, arrays: original.arrays)
        }
        for (checkpoint, expected) in [
            (altered { $0["weights_digest"] = .string(String(repeating: "0", count: 64)) }, "digest"),
            (altered { $0["optimizer_step"] = nil }, "optimizer_step")
        ] {
            try withTemporaryFolder { folder in
                let loaded = try published(checkpoint, in: folder)
                do {
                    _ = try TrainingState(loaded, model: task.model)
                    Issue.record("accepted although \(expected) is wrong")
                } catch {
                    #expect("\(error)".contains(expected) && (error as? any ExitCoded)?.exitCode == 66, "\(error)")
                }
            }
        }
    }

    /// Weights come from the named file, by the selection rule; the rest of the model starts as without it.
    @Test func theEncoderStartsFromALargerTransformer() throws {
        try withTemporaryFolder { folder in
            let names = DINOv2Names(.small)
            try ForeignFile.write(names.expected, to: "\(folder)/in.safetensors")
            _ = try WeightImport(["\(folder)/in.safetensors"], kind: .dinov2).write(to: "\(folder)/dinov2.h5")
            var configuration = SmallModel.configuration
            configuration.model.encoderStart = "\(folder)/dinov2.h5"
            let state = try TrainingState(model: task.model, configuration: configuration)
            let plain = try TrainingState(model: task.model, configuration: SmallModel.configuration)
            let parameter = try #require(task.layout.parameter(named: "encoder.attn.blocks.1.mlp.fc2.bias"))
            let source = ForeignFile.values("encoder.layer.1.mlp.fc2.bias", [384])
            let expected = WeightSelection.indices(of: 384, count: parameter.count).map { source[$0] }
            #expect(ForeignFile.bits(parameter.official(from: state.optimizer.weights)) == ForeignFile.bits(expected))
            #expect(ForeignFile.bits(parameter.official(from: state.optimizer.ema)) == ForeignFile.bits(expected))
            let other = try #require(task.layout.parameter(named: "decoder.conv_in.weight"))
            #expect(other.official(from: state.optimizer.weights) == other.official(from: plain.optimizer.weights))
            configuration.model.attentionBlocks = 13
            let deeper = StageOneModel(configuration.stageOne)
            #expect {
                try TrainingState(model: deeper, configuration: configuration)
            } throws: { error in
                "\(error)".hasPrefix("\(folder)/dinov2.h5: model.encoder_start") && "\(error)".contains("blocks.12.")
                    && (error as? any ExitCoded)?.exitCode == 78
            }
        }
    }

    @Test func aNewStateIsAFunctionOfTheSeed() {
        let states = [1, 1, 2].map { TrainingState(model: task.model, seed: $0) }
        #expect(states[0].weightsDigest == states[1].weightsDigest && states[0].weightsDigest != states[2].weightsDigest)
        #expect(
            bits(states[0].optimizer.ema) == bits(states[0].optimizer.weights) && states[0].step == 0 && states[0].optimizer.step == 0)
    }
}
