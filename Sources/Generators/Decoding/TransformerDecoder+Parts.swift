import Kernels
import TensorCore

/// The two parts of a code (spec 1.5): the first from the state alone, the second from the state and the first.
extension TransformerDecoder {
    /// Runs the blocks over the parts of codes on states, and scores the first parts.
    /// - Parameter states: rows of the last read.
    package func readFirstParts(ofStates states: [Int]) {
        precondition(states.count <= rows.count, "\(states.count) states in \(rows.count) rows")
        partRows = states.count
        let c = configuration
        for (row, state) in states.enumerated() { rows.parts[row].update(from: rows.states[state], count: c.width) }
        let (keys, values) = (c.width, c.width + c.keyValueHeads * c.headWidth)
        // A state attends to itself alone: queries are not needed, and keys are zero unless prefixes keep theirs.
        let keepsKeys = c.prefixRotation == .identity
        for (layer, block) in weights.intraBlocks.enumerated() {
            normalise(rows.parts, gain: block.attentionGain, epsilon: block.epsilon, partRows)
            let first = (keepsKeys ? keys : values) / PackedMatrix.panelWidth
            block.projections.multiply(
                rows.normalised, into: rows.projected, rows: partRows, panels: first..<block.projections.panelCount, pool: pool)
            let shared = c.keyValueHeads * c.headWidth
            for row in 0..<partRows {
                let projected = rows.projected[row]
                if keepsKeys { rows.partKeys[layer][row].update(from: projected + keys, count: shared) }
                rows.partValues[layer][row].update(from: projected + values, count: shared)
                for head in 0..<c.heads {
                    let source = head / (c.heads / c.keyValueHeads)
                    (rows.attended[row] + head * c.headWidth).update(from: projected + values + source * c.headWidth, count: c.headWidth)
                }
            }
            finish(block, states: rows.parts, partRows)
        }
        normalise(rows.parts, gain: weights.gain, epsilon: weights.epsilon, partRows)
        weights.preHead.multiply(rows.normalised, into: rows.preScores, rows: partRows, pool: pool)
    }

    /// Runs the blocks over the parts of codes on the chosen first parts, one for each of the first rows of `readFirstParts`, and scores the second
    /// parts. Further rows of that call are left out.
    package func readSecondParts(pre: [Int]) {
        precondition(pre.count <= partRows, "\(pre.count) first parts for \(partRows) states")
        let (c, count) = (configuration, pre.count)
        for (row, code) in pre.enumerated() { weights.embed(pre: code, into: rows.parts[row]) }
        let (keys, values) = (c.width, c.width + c.keyValueHeads * c.headWidth)
        let scale = 1 / Float(c.headWidth).squareRoot()
        for (layer, block) in weights.intraBlocks.enumerated() {
            normalise(rows.parts, gain: block.attentionGain, epsilon: block.epsilon, count)
            block.projections.multiply(rows.normalised, into: rows.projected, rows: count, pool: pool)
            forRows(count) { [rows] row in
                let (projected, attended) = (rows.projected[row], rows.attended[row])
                let (firstKeys, firstValues) = (rows.partKeys[layer][row], rows.partValues[layer][row])
                for head in 0..<c.heads {
                    // Cell 0 turns nothing.
                    let source = head / (c.heads / c.keyValueHeads) * c.headWidth
                    pairAttention(
                        projected + head * c.headWidth, firstKey: firstKeys + source, firstValue: firstValues + source,
                        secondKey: projected + keys + source, secondValue: projected + values + source, scale: scale, into: attended + head * c.headWidth,
                        width: c.headWidth)
                }
            }
            finish(block, states: rows.parts, count)
        }
        normalise(rows.parts, gain: weights.gain, epsilon: weights.epsilon, count)
        weights.postHead.multiply(rows.normalised, into: rows.postScores, rows: count, pool: pool)
    }

    /// The scores of the first part of a row's code; valid and writable until the next call.
    package func preScores(_ row: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: rows.preScores[row], count: configuration.preCodes)
    }

    /// The scores of the second part of a row's code; valid and writable until the next call.
    package func postScores(_ row: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: rows.postScores[row], count: configuration.postCodes)
    }
}
