import Foundation
import Kernels
import TensorCore
import Testing

/// Elementwise functions and sums against double precision.
@Suite struct KernelTests {
    private let points = stride(from: Float(-30), through: 30, by: 0.037).map { $0 } + [0, -0.0, 88, -88, 100, -100, 1e-6]

    private func apply(_ kernel: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void) -> [Float] {
        var out = [Float](repeating: .nan, count: points.count)
        points.withUnsafeBufferPointer { x in out.withUnsafeMutableBufferPointer { kernel(x.baseAddress!, $0.baseAddress!, x.count) } }
        return out
    }

    @Test func siluIsAccurate() {
        for (x, y) in zip(points, apply { silu($0, into: $1, count: $2) }) {
            let want = Double(x) / (1 + exp(-Double(x)))
            #expect(abs(Double(y) - want) <= 1e-6 * max(1e-30, abs(want)) + 1e-37, "silu(\(x))")
        }
    }

    @Test func geluIsAccurate() {
        for (x, y) in zip(points, apply { gelu($0, into: $1, count: $2) }) {
            let want = 0.5 * Double(x) * (1 + erf(Double(x) / 2.0.squareRoot()))
            #expect(abs(Double(y) - want) <= 5e-7 * max(1, abs(Double(x))), "gelu(\(x))")
        }
    }

    @Test func softmaxRowIsAccurate() {
        let scores: [Float] = [3, -2, 0.5, 80, 79, -100, 79.5]
        let bias: [Float] = [0, 1, 2, 0.1, 0, 5, -1]
        var row = scores
        let logSum = row.withUnsafeMutableBufferPointer { softmaxRow($0.baseAddress!, factor: 0.5, bias: bias, count: 7) }
        let exact = zip(scores, bias).map { exp(Double($0) * 0.5 + Double($1)) }
        let total = exact.reduce(0, +)
        for (got, want) in zip(row, exact) { #expect(abs(Double(got) - want / total) < 1e-6) }
        #expect(abs(Double(logSum) - log(total)) < 1e-5)
    }

    /// A running softmax over two tiles, and the probabilities made again from the log-sum-exp; exponents are to base 2.
    @Test func runningSoftmaxIsAccurate() {
        let scores: [Float] = [3, -2, 0.5, 80, 79, -100, 79.5]
        let bias: [Float] = [0, 1, 2, 0.1, 0, 5, -1]
        for biased in [true, false] {
            let exact = zip(scores, bias).map { exp2(Double($0) * 0.5 + (biased ? Double($1) : 0)) }
            let total = exact.reduce(0, +)
            var row = scores
            var (largest, sum, correction) = (-Float.greatestFiniteMagnitude, Float(0), Float(0))
            bias.withUnsafeBufferPointer { bias in
                row.withUnsafeMutableBufferPointer { row in
                    for (start, count) in [(0, 3), (3, 4)] {
                        runningSoftmaxTile(
                            row.baseAddress! + start, factor: 0.5, bias: biased ? bias.baseAddress! + start : nil, maxima: &largest,
                            sums: &sum, corrections: &correction, rows: 1, columns: count)
                    }
                }
            }
            for i in 0..<7 {
                let got = Double(row[i]) / Double(sum) * (i < 3 ? Double(correction) : 1)
                #expect(abs(got - exact[i] / total) < 1e-6)
            }
            finishRunningSoftmax(maxima: &largest, sums: &sum, rows: 1)
            #expect(abs(Double(largest) - log2(total)) < 1e-5)
            var again = scores
            var gradient: [Float] = [1, 2, 3, 4, 5, 6, 7]
            var inner: Float = 4.5
            softmaxTileBackward(
                scores: &again, gradient: &gradient, factor: 0.5, bias: biased ? bias : nil, logSums: &largest, inner: &inner, scale: 0.25,
                rows: 1, columns: 7)
            for i in 0..<7 {
                #expect(abs(Double(again[i]) - exact[i] / total) < 1e-5)
                #expect(abs(Double(gradient[i]) - exact[i] / total * (Double(i + 1) - 4.5) * 0.25) < 1e-5)
            }
        }
    }

    @Test func finiteness() {
        #expect(Tensor([1, -0.0, 3e38], [3]).isFinite)
        #expect(!Tensor([1, .infinity, 0], [3]).isFinite)
        #expect(!Tensor([1, 0, .nan], [3]).isFinite)
    }
}
