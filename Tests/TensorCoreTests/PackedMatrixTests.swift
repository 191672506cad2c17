import Kernels
import TensorCore
import Testing

/// Products of a few rows with packed weights.
@Suite struct PackedMatrixTests {
    private func rows(_ values: Tensor) -> PaddedRows {
        let rows = PaddedRows(count: values.shape[0], width: values.shape[1])
        for row in 0..<rows.count { rows[row].update(from: values.pointer + row * rows.width, count: rows.width) }
        return rows
    }

    private func values(_ rows: PaddedRows, _ count: Int) -> [Float] {
        (0..<count).flatMap { Array(UnsafeBufferPointer(start: rows[$0], count: rows.width)) }
    }

    /// Widths that fill panels and do not, an odd number of panels, depths beyond a turn of the loops.
    @Test(arguments: [(64, 48), (96, 176), (33, 7), (8, 1500), (200, 1024)])
    func productsAreThoseOfTheDefinition(_ outputs: Int, _ inputs: Int) {
        let pool = ThreadPool(threads: 2)
        let weights = random([outputs, inputs], "weights")
        let packed = PackedMatrix(weights, pool: pool)
        for count in [1, 2, 5, 7, 12, 13, 40] {
            let x = random([count, inputs], "x \(count)")
            let out = PaddedRows(count: count, width: outputs)
            packed.multiply(rows(x), into: out, rows: count, pool: pool)
            var want: [Double] = []
            for row in 0..<count {
                for output in 0..<outputs {
                    want.append((0..<inputs).reduce(0.0) { $0 + Double(x.pointer[row * inputs + $1]) * Double(weights.pointer[output * inputs + $1]) })
                }
            }
            expectClose(values(out, count), want, "\(count) rows")
            packed.multiply(rows(x), into: out, rows: count, adds: true, pool: pool)
            expectClose(values(out, count), want.map { 2 * $0 }, "\(count) rows, added")
        }
    }

    /// One chain of fused multiply-adds over ascending inputs: whatever the rows beside it, the threads and the processor.
    @Test func bitsOfARowAreThoseOfOneChain() {
        let (outputs, inputs) = (70, 1100)
        let (weights, x) = (random([outputs, inputs], "weights"), random([29, inputs], "x"))
        let want = (0..<29).map { row in
            (0..<outputs).map { output in
                (0..<inputs).reduce(Float(0)) { $0.addingProduct(x.pointer[row * inputs + $1], weights.pointer[output * inputs + $1]) }
            }
        }
        for threads in [1, 3] {
            let pool = ThreadPool(threads: threads)
            let packed = PackedMatrix(weights, pool: pool)
            for count in 1...29 {
                let out = PaddedRows(count: 29, width: outputs)
                packed.multiply(rows(x), into: out, rows: count, pool: pool)
                let same = values(out, count) == want[..<count].flatMap { $0 }
                #expect(same, "\(count) rows, \(threads) threads")
            }
        }
    }

    @Test func panelsOfInterleavedMatricesTakeTurns() {
        let pool = ThreadPool(threads: 1)
        let (a, b, x) = (random([40, 24], "a"), random([40, 24], "b"), rows(random([3, 24], "x")))
        let both = PackedMatrix(interleaving: [a, b], pool: pool)
        #expect(both.panelCount == 4 && both.bytes == 4 * 32 * 24 * 4)
        func product(_ matrix: Tensor) -> PaddedRows {
            let out = PaddedRows(count: 3, width: 40)
            PackedMatrix(matrix, pool: pool).multiply(x, into: out, rows: 3, pool: pool)
            return out
        }
        let (ofA, ofB) = (product(a), product(b))
        let out = PaddedRows(count: 3, width: 128)
        both.multiply(x, into: out, rows: 3, panels: 1..<3, pool: pool)
        for row in 0..<3 {
            // Panel 0 was not asked for, panel 1 is b's first, panel 2 a's second, of 8 outputs and zeros.
            #expect((0..<32).allSatisfy { out[row][$0] == 0 && out[row][32 + $0] == ofB[row][$0] })
            #expect((0..<8).allSatisfy { out[row][64 + $0] == ofA[row][32 + $0] } && (8..<24).allSatisfy { out[row][64 + $0] == 0 })
        }
    }
}
