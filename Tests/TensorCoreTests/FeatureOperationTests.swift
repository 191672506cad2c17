import TensorCore
import Testing

/// Rectifier, maxima over pixels and distances of directions against their definitions, and the same bits for any number of threads.
@Suite struct FeatureOperationTests {
    @Test func rectifier() {
        let x = Tensor([-2, -0.0, 0, 3, .nan, .infinity, -.infinity, 1e-30], [2, 4])
        let y = x.copied()
        y.rectifyInPlace(pool: ThreadPool(threads: 1))
        let got = y.elements
        #expect(got[..<4] == [0, 0, 0, 3] && got[4].isNaN && got[5...] == [.infinity, 0, 1e-30])
        let dy = Tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 4])
        #expect(y.rectifierGradient(dy, pool: ThreadPool(threads: 1)).elements == [0, 0, 0, 4, 0, 6, 0, 8])
    }

    @Test func affineMap() {
        let x = random([2, 3, 5, 3], "x")
        let (factor, offset): ([Float], [Float]) = ([2, -3, 0.5], [0.25, 1, -2])
        let got = x.affine(factor: Tensor(factor, [3]), offset: Tensor(offset, [3]), pool: ThreadPool(threads: 1))
        let want = x.elements.enumerated().map { Double($1) * Double(factor[$0 % 3]) + Double(offset[$0 % 3]) }
        expectClose(got.elements, want, "affine", tolerance: 1e-6)
    }

    /// Even and odd sides, fewer channels than a vector has lanes and more.
    @Test(arguments: [[1, 2, 2, 1], [2, 6, 4, 3], [2, 5, 7, 19], [1, 3, 8, 64]])
    func maximaOverPixels(_ extents: [Int]) {
        let pool = ThreadPool(threads: 2)
        // Few levels, so that equal maxima are common.
        let x = Tensor(random(Shape(extents), "x").elements.map { ($0 * 3).rounded() }, Shape(extents))
        let (batch, height, width, channels) = (extents[0], extents[1], extents[2], extents[3])
        let y = x.maxPooled(pool: pool)
        #expect(y.shape == [batch, height / 2, width / 2, channels])
        let dy = random(y.shape, "dy")
        let dx = x.maxPoolGradient(dy, pool: pool)
        let values = x.elements
        var (maxima, gradient) = ([Float](), [Float](repeating: 0, count: values.count))
        for b in 0..<batch {
            for row in 0..<(height / 2) {
                for column in 0..<(width / 2) {
                    for c in 0..<channels {
                        let candidates = [(0, 0), (0, 1), (1, 0), (1, 1)].map { ((b * height + 2 * row + $0) * width + 2 * column + $1) * channels + c }
                        let largest = candidates.map { values[$0] }.max() ?? .nan
                        let first = candidates.first { values[$0] == largest } ?? 0
                        gradient[first] = dy.elements[maxima.count]
                        maxima.append(largest)
                    }
                }
            }
        }
        #expect(y.elements == maxima)
        #expect(dx.elements == gradient)
    }

    @Test(arguments: [[1, 1, 1, 4], [2, 5, 7, 19], [3, 16, 16, 64]])
    func distanceOfDirections(_ extents: [Int]) {
        let pool = ThreadPool(threads: 1)
        let shape = Shape(extents)
        let (a, b) = (random(shape, "a"), random(shape, "b"))
        let weights = Tensor(random([extents[3]], "weights").elements.map(abs), [extents[3]])
        let channels = extents[3]
        let pixels = extents[1] * extents[2]
        func direction(_ x: Tensor, _ pixel: Int) -> [Double] {
            let row = x.elements[(pixel * channels)..<((pixel + 1) * channels)].map(Double.init)
            let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { $0 / (norm + 1e-10) }
        }
        var want = [Double](repeating: 0, count: extents[0])
        for pixel in 0..<(extents[0] * pixels) {
            for (c, (u, v)) in zip(direction(a, pixel), direction(b, pixel)).enumerated() {
                want[pixel / pixels] += Double(weights.elements[c]) * (u - v) * (u - v) / Double(pixels)
            }
        }
        expectClose(a.unitDistance(to: b, weights: weights, epsilon: 1e-10, pool: pool).elements, want, "distance")
    }

    @Test func equalDirectionsAndNoDirection() {
        let pool = ThreadPool(threads: 1)
        let x = random([1, 3, 3, 20], "x")
        let ones = Tensor(filledWith: 1, [20])
        func distance(_ a: Tensor, _ b: Tensor) -> Float { a.unitDistance(to: b, weights: ones, epsilon: 1e-10, pool: pool).scalar }
        #expect(distance(x, x) == 0)
        #expect(distance(x, x.scaled(by: 4, pool: pool)) < 1e-12)
        let zero = Tensor(zeros: x.shape)
        #expect(distance(zero, zero) == 0)
        #expect(abs(distance(zero, x) - 1) < 1e-6, "a unit vector from none")
        let gradient = zero.unitDistanceGradient(Tensor([1], [1]), to: x, weights: ones, epsilon: 1e-10, pool: pool)
        #expect(gradient.elements.allSatisfy { $0 == 0 })
    }

    @Test func anyNumberOfThreads() {
        let (a, b) = (random([2, 37, 41, 24], "a"), random([2, 37, 41, 24], "b"))
        let weights = Tensor(random([24], "weights").elements.map(abs), [24])
        expectSameBits("maxima") { [a.maxPooled(pool: $0), a.maxPoolGradient(a.maxPooled(pool: $0), pool: $0)] }
        expectSameBits("rectifier") {
            let y = a.copied()
            y.rectifyInPlace(pool: $0)
            return [y, y.rectifierGradient(b, pool: $0), a.affine(factor: weights, offset: weights, pool: $0)]
        }
        expectSameBits("distance") {
            [
                a.unitDistance(to: b, weights: weights, epsilon: 1e-10, pool: $0),
                a.unitDistanceGradient(Tensor([0.7, -1.3], [2]), to: b, weights: weights, epsilon: 1e-10, pool: $0),
            ]
        }
    }
}
