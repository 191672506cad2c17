import Kernels
import TensorCore

/// Runs a generator's blocks on a few new tokens of many sequences, and reads codes off the states: the inner part of generation. Without
/// gradients.
///
/// What a sequence gets depends on its own tokens and cache alone, to the bit: not on the other sequences, nor on the number of threads.
///
/// ```swift
/// decoder.prepare(rows: caches.count)
/// for row in caches.indices { decoder.embed(pre: pre[row], post: post[row], row: row) }
/// decoder.read(caches, tokens)
/// decoder.readFirstParts(ofStates: rows)
/// let scores = decoder.preScores(0)
/// ```
package final class TransformerDecoder {
    /// A new token: which angle it has, which cache entry it takes, and how many of the cache's first entries it sees, itself included.
    package struct Token: Sendable {
        let rotaryRow: Int
        let entry: Int
        let visible: Int

        package init(rotaryRow: Int, entry: Int, visible: Int) {
            self.rotaryRow = rotaryRow
            self.entry = entry
            self.visible = visible
        }
    }

    package let configuration: GeneratorConfiguration
    package let weights: InferenceWeights
    let rotary: RotaryTable
    let pool: ThreadPool
    private(set) var rows: RowBuffers
    /// Rows of the pass over parts of codes at hand.
    var partRows = 0

    /// - Parameter weights: the flat vector of the generator's layout; it is copied.
    package init(_ generator: Generator, weights: Tensor, pool: ThreadPool) {
        configuration = generator.configuration
        self.weights = InferenceWeights(generator, weights, pool: pool)
        rotary = generator.rotary
        self.pool = pool
        rows = RowBuffers(generator.configuration, rows: 1)
    }

    /// Makes room for so many tokens a pass. Call it before tokens are embedded.
    package func prepare(rows count: Int) {
        if count > rows.count { rows = RowBuffers(configuration, rows: count) }
    }

    // MARK: Tokens

    package func embed(class label: Int32, row: Int) { weights.embed(class: label, into: rows.states[row]) }
    package func embed(mergeID: Double, row: Int) { weights.embed(mergeID: mergeID, into: rows.states[row]) }
    package func embed(pre: Int, post: Int, row: Int) { weights.embed(pre: pre, post: post, into: rows.states[row]) }
    package func embedInstruction(rotaryRow: Int, row: Int) {
        weights.embedInstruction(rotaryRow: rotaryRow, of: rotary, into: rows.states[row])
    }

    // MARK: Blocks over the sequence

    /// Reads the embedded tokens, equally many of each sequence and one sequence after the other, and stores their keys and values. Their rows then
    /// hold their states.
    package func read(_ caches: [SequenceCache], _ tokens: [Token]) {
        let count = tokens.count
        precondition(!caches.isEmpty && count % caches.count == 0 && count <= rows.count, "\(count) tokens of \(caches.count) sequences")
        for (layer, block) in weights.spatialBlocks.enumerated() {
            normalise(rows.states, gain: block.attentionGain, epsilon: block.epsilon, count)
            block.projections.multiply(rows.normalised, into: rows.projected, rows: count, pool: pool)
            attend(caches, tokens, layer: layer)
            finish(block, states: rows.states, count)
        }
    }

    /// The state of a token of the last read, `width` floats; valid until the next one.
    package func state(_ row: Int) -> UnsafePointer<Float> { UnsafePointer(rows.states[row]) }

    /// What follows attention: x += W_o·attended, then x += the feed-forward.
    func finish(_ block: InferenceWeights.Block, states: PaddedRows, _ count: Int) {
        block.output.multiply(rows.attended, into: states, rows: count, adds: true, pool: pool)
        normalise(states, gain: block.feedForwardGain, epsilon: block.epsilon, count)
        let (width, pairs) = (PackedMatrix.panelWidth, block.gateAndUp.panelCount / 2)
        pool.parallel(pairs) { [rows] pair in
            Storage.withScratch(count * 2 * width) { both in
                block.gateAndUp.multiply(rows.normalised, panels: (2 * pair)..<(2 * pair + 2), into: both, stride: 2 * width, rows: count)
                let out = rows.hidden[0] + pair * width
                for row in 0..<count {
                    gatedSiLU(gate: both + row * 2 * width, both + row * 2 * width + width, into: out + row * rows.hidden.stride, count: width)
                }
            }
        }
        block.down.multiply(rows.hidden, into: states, rows: count, adds: true, pool: pool)
    }

    /// Root-mean-square normalisation of rows into `normalised`.
    func normalise(_ states: PaddedRows, gain: Tensor, epsilon: Float, _ count: Int) {
        forRows(count) { [rows, configuration] row in
            var factor: Float = 0
            rmsNorm(
                states[row], gain: gain.pointer, epsilon: epsilon, into: rows.normalised[row], factors: &factor, rows: 1, columns: configuration.width)
        }
    }

    /// Few rows are not worth waking the other threads.
    func forRows(_ count: Int, _ body: (Int) -> Void) {
        if count < 8 {
            for row in 0..<count { body(row) }
        } else {
            let chunk = 4
            pool.parallel((count + chunk - 1) / chunk) { part in
                for row in (part * chunk)..<min((part + 1) * chunk, count) { body(row) }
            }
        }
    }
}

/// The buffers of a pass.
struct RowBuffers: Sendable {
    let count: Int
    /// Of the blocks over the sequence; kept while the parts of codes are read off.
    let states: PaddedRows
    /// Of the blocks over the parts of a code.
    let parts: PaddedRows
    let normalised: PaddedRows
    let projected: PaddedRows
    let attended: PaddedRows
    let hidden: PaddedRows
    let preScores: PaddedRows
    let postScores: PaddedRows
    /// Keys and values of the first parts, by block.
    let partKeys: [PaddedRows]
    let partValues: [PaddedRows]

    init(_ c: GeneratorConfiguration, rows count: Int) {
        func rows(_ width: Int) -> PaddedRows { PaddedRows(count: count, width: width) }
        self.count = count
        let shared = c.keyValueHeads * c.headWidth
        (states, parts, normalised, attended) = (rows(c.width), rows(c.width), rows(c.width), rows(c.width))
        projected = rows(c.width + 2 * shared)
        hidden = rows(c.hidden)
        (preScores, postScores) = (rows(c.preCodes), rows(c.postCodes))
        partKeys = (0..<c.intraLayers).map { _ in rows(shared) }
        partValues = (0..<c.intraLayers).map { _ in rows(shared) }
    }
}
