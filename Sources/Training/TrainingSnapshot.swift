import Checkpoints
import MergeVQ
import NeuralNet
import TensorCore
import Transport

/// A run's state at one step, on its way into a checkpoint: parameters under their official names and in official layout, an array at a time, and
/// the digest of the weights. All of that is made by whoever writes; the loop pays for a copy of the vectors only (`SnapshotMemory`).
public struct TrainingSnapshot: CheckpointContent {
    private let state: TrainingState
    private let model: any TrainedModel
    private let facts: TrainingState.Facts

    /// A snapshot that shares the state's memory: nothing may change it before the snapshot is written.
    init(sharing state: TrainingState, model: any TrainedModel, facts: TrainingState.Facts) {
        self.state = state
        self.model = model
        self.facts = facts
    }

    public var step: Int { state.step }

    public var attributes: [String: AttributeValue] {
        [
            "epoch": .integer(facts.epoch), "first_step": .integer(facts.firstStep), "optimizer_step": .integer(state.optimizer.step),
            "config": .string(facts.configuration.yaml), "seed": .integer(facts.configuration.seed),
            "run_id": .string(facts.runID), "dataset_fingerprint": .string(facts.datasetFingerprint),
            "sample_count": .integer(facts.sampleCount), "numeric_class": .string(facts.numericClass),
            "build": .string(BuildVersion.current), "weights_digest": .string(state.weightsDigest),
        ].merging(facts.source) { mine, _ in mine }
    }

    public var deferredArrays: [DeferredArray] {
        let layout = model.layout
        func arrays(_ group: String, _ vector: Tensor, _ range: Range<Int>) -> [DeferredArray] {
            layout.parameters.filter { range.contains($0.offset) }.map { parameter in
                DeferredArray(path: "/\(group)/\(parameter.name)", shape: parameter.officialShape) { parameter.official(from: vector) }
            }
        }
        let (all, optimizer, statistics) = (0..<layout.count, state.optimizer, state.statistics)
        let values = statistics.values
        return arrays("model", optimizer.weights, all) + arrays("ema", optimizer.ema, all)
            + model.optimizers.flatMap { part in
                arrays("optimizer/\(part.name)/first_moment", optimizer.firstMoment, part.range)
                    + arrays("optimizer/\(part.name)/second_moment", optimizer.secondMoment, part.range)
            }
            + statistics.buffers.map { buffer in
                DeferredArray(path: "/statistics/\(buffer.name)", shape: [buffer.range.count]) { Array(values[buffer.range]) }
            }
    }
}

/// Memory that snapshots are copied into, used again as soon as a snapshot is written: the system is asked for it once, when training begins, and
/// a second time if a snapshot is due while another is being written. Belongs to one thread.
public struct SnapshotMemory {
    private let model: any TrainedModel
    private var buffers: BufferPool

    /// Takes the memory of the first snapshot at once: weights, two moments and average, 16 bytes a parameter.
    public init(model: any TrainedModel) {
        self.model = model
        buffers = BufferPool(count: 4 * model.layout.count * MemoryLayout<Float>.stride)
        _ = buffers.take()
    }

    /// The bytes of one snapshot.
    public var bytesPerSnapshot: Int { buffers.count }

    /// Snapshots that there is memory for.
    package var allocated: Int { buffers.allocated }

    /// Copies a state; training may go on at once. `facts.epoch` is the state's.
    public mutating func snapshot(of state: TrainingState, facts: TrainingState.Facts, pool: ThreadPool) -> TrainingSnapshot {
        let buffer = buffers.take()
        let (count, optimizer) = (model.layout.count, state.optimizer)
        let all = Tensor(sharing: buffer.bytes, owner: buffer, [4 * count])
        let sources = [optimizer.weights, optimizer.firstMoment, optimizer.secondMoment, optimizer.ema]
        let copies = sources.indices.map { all.slice(from: $0 * count, [count]) }
        let tile = 1 << 18
        let tiles = (count + tile - 1) / tile
        pool.parallel(4 * tiles) { index in
            let (vector, start) = (index / tiles, index % tiles * tile)
            let length = min(tile, count - start)
            copies[vector].slice(from: start, [length]).copyInPlace(from: sources[vector].slice(from: start, [length]))
        }
        var copy = state
        copy.optimizer = AdamW.State(
            weights: copies[0], firstMoment: copies[1], secondMoment: copies[2], ema: copies[3], step: optimizer.step)
        return TrainingSnapshot(sharing: copy, model: model, facts: facts)
    }
}
