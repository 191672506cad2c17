import TensorCore
import Testing

/// Batch normalisation and leaky ReLU against double precision.
@Suite struct BatchNormalisationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let batch, height, width, channels: Int
        let slope: Float
        var testDescription: String { "[\(batch), \(height), \(width), \(channels)], slope \(slope)" }
        var shape: Shape { [batch, height, width, channels] }
    }

    static let cases = [
        Case(batch: 1, height: 1, width: 2, channels: 3, slope: 1),
        Case(batch: 3, height: 6, width: 7, channels: 33, slope: 0.2),
        Case(batch: 2, height: 5, width: 9, channels: 8, slope: 1),
        // Several chunks, the last one short.
        Case(batch: 3, height: 40, width: 47, channels: 40, slope: 0.2),
        Case(batch: 1, height: 9, width: 9, channels: 1030, slope: 0.2),
    ]

    @Test(arguments: cases)
    func matchesTheDefinition(_ c: Case) {
        let epsilon: Float = 1e-5
        let (pool, channels) = (ThreadPool(threads: 2), c.channels)
        // Offsets that are large against the spread: the variance must not be a difference of large numbers.
        let x = Tensor(random(c.shape, "x").elements.enumerated().map { $1 + Float($0 % channels % 3) * 10 }, c.shape)
        let (gain, bias, dy) = (random([channels], "gain"), random([channels], "bias"), random(c.shape, "dy"))
        let norm = BatchNormalisation(shape: c.shape, epsilon: epsilon, slope: c.slope)
        let statistics = norm.statistics(of: x, pool: pool)
        let scale = norm.scale(statistics)
        let y = norm.forward(x, gain: gain, bias: bias, scale: scale, pool: pool)
        let (dGain, dBias) = (Tensor(filledWith: 2, [channels]), Tensor(filledWith: 3, [channels]))
        let dx = norm.backward(
            dy, input: x, gain: gain, bias: bias, scale: scale, gainGradient: dGain, biasGradient: dBias, pool: pool)

        let (xs, g, b, dys) = (x.elements.map(Double.init), gain.elements.map(Double.init), bias.elements.map(Double.init), dy.elements.map(Double.init))
        let n = c.batch * c.height * c.width
        var (want, wantDx) = ([Double](repeating: 0, count: x.count), [Double](repeating: 0, count: x.count))
        var (means, biased, unbiased, wantGain, wantBias) = ([Double](), [Double](), [Double](), [Double](), [Double]())
        for channel in 0..<channels {
            let at = (0..<n).map { $0 * channels + channel }
            let mean = at.reduce(0) { $0 + xs[$1] } / Double(n)
            let squares = at.reduce(0) { $0 + (xs[$1] - mean) * (xs[$1] - mean) }
            let deviation = (squares / Double(n) + Double(epsilon)).squareRoot()
            let normalised = at.map { (xs[$0] - mean) / deviation }
            let before = normalised.map { $0 * g[channel] + b[channel] }
            let d = (0..<n).map { dys[at[$0]] * (before[$0] > 0 ? 1 : Double(c.slope)) }
            let meanGradient = d.reduce(0, +) * g[channel] / Double(n)
            let meanProjection = zip(d, normalised).reduce(0) { $0 + $1.0 * $1.1 } * g[channel] / Double(n)
            for i in 0..<n {
                want[at[i]] = before[i] * (before[i] > 0 ? 1 : Double(c.slope))
                wantDx[at[i]] = (d[i] * g[channel] - meanGradient - normalised[i] * meanProjection) / deviation
            }
            means.append(mean)
            biased.append(squares / Double(n))
            unbiased.append(squares / Double(n - 1))
            wantGain.append(2 + zip(d, normalised).reduce(0) { $0 + $1.0 * $1.1 })
            wantBias.append(3 + d.reduce(0, +))
        }
        #expect(statistics.count == n)
        expectClose(statistics.means.map { Float($0) }, means, "means", tolerance: 1e-6)
        expectClose(statistics.variances.map { Float($0) }, biased, "variances", tolerance: 1e-6)
        expectClose(statistics.unbiasedVariances.map { Float($0) }, unbiased, "unbiased variances", tolerance: 1e-6)
        expectClose(y.elements, want, "output", tolerance: 1e-5)
        // Of two values, one is the mean minus and one the mean plus the deviation: the gradient is a difference of equal numbers.
        if n > 2 { expectClose(dx.elements, wantDx, "input gradient", tolerance: 1e-5) }
        expectClose(dGain.elements, wantGain, "gain's gradient", tolerance: 1e-5)
        expectClose(dBias.elements, wantBias, "bias's gradient", tolerance: 1e-5)
    }

    @Test func bitsDoNotDependOnThreads() {
        let shape: Shape = [3, 40, 47, 40]
        let (x, dy, gain, bias) = (random(shape, "x"), random(shape, "dy"), random([40], "gain"), random([40], "bias"))
        expectSameBits("batch norm") { pool in
            let norm = BatchNormalisation(shape: shape, epsilon: 1e-5, slope: 0.2)
            let statistics = norm.statistics(of: x, pool: pool)
            let scale = norm.scale(statistics)
            let (dGain, dBias) = (Tensor(zeros: [40]), Tensor(zeros: [40]))
            let dx = norm.backward(
                dy, input: x, gain: gain, bias: bias, scale: scale, gainGradient: dGain, biasGradient: dBias, pool: pool)
            let moments = Tensor((statistics.means + statistics.unbiasedVariances).map { Float($0) }, [80])
            return [norm.forward(x, gain: gain, bias: bias, scale: scale, pool: pool), dx, dGain, dBias, moments]
        }
    }

    /// A channel of one value everywhere has no variance beyond rounding, never a negative one, and nothing becomes infinite.
    @Test func aConstantChannel() {
        let shape: Shape = [2, 30, 31, 2]
        let x = Tensor((0..<shape.count).map { $0 % 2 == 0 ? 0.1 : Float($0) }, shape)
        let norm = BatchNormalisation(shape: shape, epsilon: 1e-5, slope: 1)
        let pool = ThreadPool(threads: 1)
        let statistics = norm.statistics(of: x, pool: pool)
        #expect((0..<1e-14).contains(statistics.variances[0]), "\(statistics.variances[0])")
        #expect(statistics.variances[1] > 1)
        let (gain, bias) = (Tensor([2, 2], [2]), Tensor([5, 0], [2]))
        let y = norm.forward(x, gain: gain, bias: bias, scale: norm.scale(statistics), pool: pool)
        #expect(y.isFinite && abs(y.elements[0] - 5) < 1e-4)
    }

    @Test func leakyReLUOfEverySign() {
        let pool = ThreadPool(threads: 2)
        let x = Tensor([-3, -0.0, 0, 2, .infinity, -.infinity], [2, 3])
        #expect(x.leakyReLU(slope: 0.25, pool: pool).elements == [-0.75, -0.0, 0, 2, .infinity, -.infinity])
        let dy = Tensor([4, 4, 4, 4, 4, 4], [2, 3])
        let want: [Float] = [1, 1, 1, 4, 4, 1]
        #expect(x.leakyReLUGradient(dy, slope: 0.25, pool: pool).elements == want)
        #expect(x.leakyReLU(slope: 0.25, pool: pool).leakyReLUGradient(dy, slope: 0.25, pool: pool).elements == want)
        #expect(Tensor([.nan], [1, 1]).leakyReLU(slope: 0.25, pool: pool).elements[0].isNaN)
        let large = random([3, 100, 1000], "large")
        let got = large.leakyReLU(slope: 0.25, pool: pool).elements
        #expect(got == large.elements.map { $0 > 0 ? $0 : 0.25 * $0 })
    }

    @Test func oneValueAChannelHasNoVariance() async {
        await #expect(processExitsWith: .failure) {
            let x = Tensor(zeros: [1, 1, 1, 4])
            _ = BatchNormalisation(shape: x.shape, epsilon: 1e-5, slope: 1).statistics(of: x, pool: ThreadPool(threads: 1))
        }
    }
}
