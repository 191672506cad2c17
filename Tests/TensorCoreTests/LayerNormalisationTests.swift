import TensorCore
import Testing

/// Layer normalisation against double precision.
@Suite struct LayerNormalisationTests {
    @Test(arguments: [(1, 512), (63, 8), (65, 33), (257, 96), (1025, 40)])
    func matchesTheDefinition(_ rows: Int, _ columns: Int) {
        let epsilon: Float = 1e-5
        let pool = ThreadPool(threads: 2)
        // An offset that is large against the spread: the variance must not be a difference of large numbers.
        let x = Tensor(random([rows, columns], "x").elements.enumerated().map { $1 + Float($0 / columns % 3) * 10 }, [rows, columns])
        let (gain, bias) = (random([columns], "gain"), random([columns], "bias"))
        let dy = random([rows, columns], "dy")
        let (y, statistics) = x.layerNorm(gain: gain, bias: bias, epsilon: epsilon, pool: pool)
        let (dGain, dBias) = (Tensor(zeros: [columns]), Tensor(zeros: [columns]))
        let dx = x.layerNormGradient(dy, gain: gain, statistics: statistics, gainGradient: dGain, biasGradient: dBias, pool: pool)

        let (xs, g, b, dys) = (x.elements.map(Double.init), gain.elements.map(Double.init), bias.elements.map(Double.init), dy.elements.map(Double.init))
        var (want, wantDx) = ([Double](), [Double]())
        var (wantGain, wantBias) = ([Double](repeating: 0, count: columns), [Double](repeating: 0, count: columns))
        for r in 0..<rows {
            let row = xs[(r * columns)..<((r + 1) * columns)].map { $0 }
            let mean = row.reduce(0, +) / Double(columns)
            let deviation = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns) + Double(epsilon)).squareRoot()
            let normalised = row.map { ($0 - mean) / deviation }
            let weighted = (0..<columns).map { dys[r * columns + $0] * g[$0] }
            let meanGradient = weighted.reduce(0, +) / Double(columns)
            let meanProjection = zip(weighted, normalised).reduce(0) { $0 + $1.0 * $1.1 } / Double(columns)
            for c in 0..<columns {
                want.append(normalised[c] * g[c] + b[c])
                wantDx.append((weighted[c] - meanGradient - normalised[c] * meanProjection) / deviation)
                wantGain[c] += dys[r * columns + c] * normalised[c]
                wantBias[c] += dys[r * columns + c]
            }
        }
        expectClose(y.elements, want, "output", tolerance: 1e-5)
        expectClose(dx.elements, wantDx, "input gradient", tolerance: 1e-5)
        expectClose(dGain.elements, wantGain, "gain's gradient", tolerance: 1e-5)
        expectClose(dBias.elements, wantBias, "bias's gradient", tolerance: 1e-5)
    }

    @Test func bitsDoNotDependOnThreads() {
        let (rows, columns) = (1025, 96)
        let (x, dy) = (random([rows, columns], "x"), random([rows, columns], "dy"))
        let (gain, bias) = (random([columns], "gain"), random([columns], "bias"))
        expectSameBits("layer norm") { pool in
            let (y, statistics) = x.layerNorm(gain: gain, bias: bias, epsilon: 1e-5, pool: pool)
            let (dGain, dBias) = (Tensor(zeros: [columns]), Tensor(zeros: [columns]))
            let dx = x.layerNormGradient(dy, gain: gain, statistics: statistics, gainGradient: dGain, biasGradient: dBias, pool: pool)
            return [y, dx, dGain, dBias]
        }
    }
}
