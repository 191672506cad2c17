import Kernels
import TensorCore

/// Tokens as rows, written to `out`.
extension InferenceWeights {
    func embed(class label: Int32, into out: UnsafeMutablePointer<Float>) { copy(classTable, row: Int(label), into: out) }

    /// The merge instruction, between two rows of the table for fractional ids (spec 2.4, step 3).
    func embed(mergeID: Double, into out: UnsafeMutablePointer<Float>) {
        guard let mergeTable else { preconditionFailure("a generator without merge tokens") }
        let place = InterpolatedRow(mergeID, rows: mergeTable.shape[0])
        copy(mergeTable, row: place.lower, into: out)
        guard place.share > 0 else { return }
        let (width, share) = (mergeTable.shape[1], Float(place.share))
        let upper = mergeTable.pointer + place.upper * width
        for c in 0..<width { out[c] = out[c] * (1 - share) + upper[c] * share }
    }

    /// The sum of the rows of both parts of a code.
    func embed(pre: Int, post: Int, into out: UnsafeMutablePointer<Float>) {
        copy(preTable, row: pre, into: out)
        let width = postTable.shape[1]
        let row = postTable.pointer + post * width
        for c in 0..<width { out[c] += row[c] }
    }

    /// The first part of a code alone.
    func embed(pre: Int, into out: UnsafeMutablePointer<Float>) { copy(preTable, row: pre, into: out) }

    /// The position instruction, turned to a row of the rotary table (spec 3.1).
    func embedInstruction(rotaryRow: Int, of rotary: RotaryTable, into out: UnsafeMutablePointer<Float>) {
        guard let positionInstruction else { preconditionFailure("a generator without position instructions") }
        for head in stride(from: 0, to: positionInstruction.shape[1], by: rotary.headWidth) {
            rotary.rotate(positionInstruction.pointer + head, row: rotaryRow, into: out + head)
        }
    }

    private func copy(_ table: Tensor, row: Int, into out: UnsafeMutablePointer<Float>) {
        let width = table.shape[1]
        precondition(row >= 0 && row < table.shape[0], "row \(row) of a table of \(table.shape[0])")
        out.update(from: table.pointer + row * width, count: width)
    }
}

extension RotaryTable {
    /// One head's channels turned by a row of the table.
    func rotate(_ head: UnsafePointer<Float>, row: Int, into out: UnsafeMutablePointer<Float>) {
        let pairs = headWidth / 2
        rotatePairs(head, cosines: cosines.pointer + row * pairs, sines: sines.pointer + row * pairs, turn: 1, into: out, pairs: pairs)
    }
}
