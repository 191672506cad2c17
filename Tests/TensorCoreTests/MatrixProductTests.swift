import Foundation
import TensorCore
import Testing

/// Tiled products, linear layers and column sums against double precision.
@Suite struct MatrixProductTests {
    static let sizes = [1, 63, 65, 257, 1025]

    /// a · b in double precision; `transposed` matrices are stored the other way round.
    private func product(_ a: [Float], _ aTransposed: Bool, _ b: [Float], _ bTransposed: Bool, _ m: Int, _ n: Int, _ k: Int) -> [Double] {
        var out = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
            for l in 0..<k {
                let factor = Double(aTransposed ? a[l * m + i] : a[i * k + l])
                for j in 0..<n { out[i * n + j] += factor * Double(bTransposed ? b[j * k + l] : b[l * n + j]) }
            }
        }
        return out
    }

    @Test(arguments: sizes, sizes)
    func productsOfAwkwardShapes(_ m: Int, _ n: Int) {
        let k = 33
        let pool = ThreadPool(threads: 2)
        let (a, b) = (random([m * k], "a"), random([k * n], "b"))
        for (aTransposed, bTransposed) in [(false, false), (false, true), (true, false)] {
            let out = Tensor(filledWith: .nan, [m, n])
            multiply(
                MatrixOperand(a.pointer, stride: aTransposed ? m : k, transposed: aTransposed),
                MatrixOperand(b.pointer, stride: bTransposed ? k : n, transposed: bTransposed),
                into: out.pointer, stride: n, rows: m, columns: n, depth: k, pool: pool)
            expectClose(
                out.elements, product(a.elements, aTransposed, b.elements, bTransposed, m, n, k),
                "\(m)×\(n), transposed \(aTransposed), \(bTransposed)", tolerance: 1e-6)
        }
    }

    /// Every result is finished exactly once, after it has been computed.
    @Test(arguments: sizes, [1, 18, 512, 768, 2048, 3073])
    func tilesCoverTheResult(_ m: Int, _ n: Int) {
        let (a, b) = (Tensor(filledWith: 2, [m, 1]), Tensor(filledWith: 3, [1, n]))
        let out = Tensor(zeros: [m, n])
        multiply(
            MatrixOperand(a.pointer, stride: 1), MatrixOperand(b.pointer, stride: n), into: out.pointer, stride: n, rows: m, columns: n,
            depth: 1, pool: ThreadPool(threads: 3)
        ) { tile in
            for row in tile.rows { for column in tile.columns { out.pointer[row * n + column] += 0.5 } }
        }
        #expect(out.elements.allSatisfy { $0 == 6.5 })
    }

    @Test(arguments: [1, 257, 900])
    func linearLayers(_ rows: Int) {
        let (inputs, outputs) = (70, 530)
        let x = random([1, rows, inputs], "x")
        let (weight, bias) = (random([outputs, inputs], "w"), random([outputs], "bias"))
        let dy = random([1, rows, outputs], "dy")
        let (dw, db) = (random(weight.shape, "dw"), random(bias.shape, "db"))
        let (dwBefore, dbBefore) = (dw.elements, db.elements)
        let pool = ThreadPool(threads: 2)
        let y = x.linear(weight: weight, bias: bias, pool: pool)
        let dx = dy.linearInputGradient(weight: weight, pool: pool)
        dy.linearWeightGradient(input: x, into: dw, beta: 1, pool: pool)
        dy.columnSums(into: db, beta: 1, pool: pool)

        let b = bias.elements
        let product1 = product(x.elements, false, weight.elements, true, rows, outputs, inputs)
        expectClose(y.elements, product1.enumerated().map { $1 + Double(b[$0 % outputs]) }, "output")
        expectClose(dx.elements, product(dy.elements, false, weight.elements, false, rows, inputs, outputs), "input gradient")
        let product2 = product(dy.elements, true, x.elements, false, outputs, inputs, rows)
        expectClose(dw.elements, product2.enumerated().map { $1 + Double(dwBefore[$0]) }, "weight gradient")
        let dys = dy.elements
        expectClose(db.elements, (0..<outputs).map { c in (0..<rows).reduce(Double(dbBefore[c])) { $0 + Double(dys[$1 * outputs + c]) } }, "bias gradient")
    }

    /// The gradient through GELU and a linear layer, and the activation that comes with it.
    @Test func geluAndLinearLayer() {
        let (rows, inputs, outputs) = (259, 300, 40)
        let x = random([rows, inputs], "x", scale: 4)
        let weight = random([outputs, inputs], "w")
        let dy = random([rows, outputs], "dy")
        let pool = ThreadPool(threads: 2)
        let (dx, activation) = dy.geluLinearInputGradient(weight: weight, input: x, pool: pool)
        expectClose(activation.elements, x.elements.map { 0.5 * Double($0) * (1 + erf(Double($0) / 2.0.squareRoot())) }, "activation", tolerance: 1e-6)
        let da = product(dy.elements, false, weight.elements, false, rows, inputs, outputs)
        let want = zip(da, x.elements).map { da, x -> Double in
            let x = Double(x)
            return da * (0.5 * (1 + erf(x / 2.0.squareRoot())) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot())
        }
        expectClose(dx.elements, want, "gradient")

        let bias = random([outputs], "b")
        let (y, fused) = x.linearGELU(weight: weight, bias: bias, pool: pool)
        #expect(y.elements == x.linear(weight: weight, bias: bias, pool: pool).elements)
        expectClose(fused.elements, y.elements.map { 0.5 * Double($0) * (1 + erf(Double($0) / 2.0.squareRoot())) }, "fused", tolerance: 1e-6)
    }

    @Test func bitsDoNotDependOnThreads() {
        for (rows, inputs, outputs) in [(1025, 96, 1100), (257, 70, 530), (1, 40, 2048)] {
            let x = random([rows, inputs], "x")
            let (weight, bias) = (random([outputs, inputs], "w"), random([outputs], "b"))
            let dy = random([rows, outputs], "dy")
            expectSameBits("linear layer \(inputs)→\(outputs) on \(rows)") { pool in
                let (dw, db) = (Tensor(zeros: weight.shape), Tensor(zeros: bias.shape))
                dy.linearWeightGradient(input: x, into: dw, beta: 0, pool: pool)
                dy.columnSums(into: db, beta: 0, pool: pool)
                let (dx, activation) = dy.geluLinearInputGradient(weight: weight, input: x, pool: pool)
                let (y, fused) = x.linearGELU(weight: weight, bias: bias, pool: pool)
                return [y, fused, dy.linearInputGradient(weight: weight, pool: pool), dw, db, dx, activation]
            }
        }
    }
}
