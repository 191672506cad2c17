import Kernels

/// What dropout multiplies the elements of a value with: 0 or 1/(1 − p). Random factors are functions of seed, step, sample and element and take no
/// memory: they are made where they are used, and again on the way back.
public struct DropoutFactors: Sendable {
    private enum Source {
        case random(Philox, step: Int, samples: [Int], rate: Float)
        case given(Tensor)
    }

    private let source: Source
    public let shape: Shape

    /// Four elements for each 128 random bits: an element is dropped if its 32 bits, as a fraction, are below the rate.
    ///
    /// - Parameters:
    ///   - rate: p, in 0 ..< 1.
    ///   - samples: the numbers of the samples of which the value consists, one after the other in equal parts.
    public init(rate: Float, random: Philox, step: Int, samples: [Int], shape: Shape) {
        precondition(
            rate >= 0 && rate < 1 && !samples.isEmpty && shape.count % samples.count == 0, "dropout of \(rate) in \(shape) of \(samples.count) samples")
        source = .random(random, step: step, samples: samples, rate: rate)
        self.shape = shape
    }

    /// Factors that are given.
    public init(_ factors: Tensor) {
        source = .given(factors)
        shape = factors.shape
    }

    /// Elements whose factors are made at once: they stay in the first-level cache until they are used.
    private static let piece = 2048

    /// Calls `body(first element, factors, count)` over pieces of the elements `start ..< start + count`.
    func forEachPiece(from start: Int, count: Int, _ body: (Int, UnsafePointer<Float>, Int) -> Void) {
        switch source {
        case .given(let factors):
            body(start, factors.pointer + start, count)
        case .random(let random, let step, let samples, let rate):
            let length = shape.count / samples.count
            let threshold = UInt32(Double(rate) * 0x1p32)
            Storage.withScratch(DropoutFactors.piece + 8) { factors in
                var first = start
                while first < start + count {
                    let (sample, element) = (first / length, first % length)
                    let taken = min(DropoutFactors.piece, start + count - first, length - element)
                    let lane = element % 4
                    random.dropoutFactors(
                        step: step, sample: samples[sample], firstDraw: element / 4, threshold: threshold, kept: 1 / (1 - rate), into: factors,
                        draws: (lane + taken + 3) / 4)
                    body(first, factors + lane, taken)
                    first += taken
                }
            }
        }
    }
}

extension Tensor {
    /// self ⊙ factors: dropout.
    package func multiplyingElements(by factors: DropoutFactors, pool: ThreadPool) -> Tensor {
        precondition(factors.shape.count == count, "dropout of \(factors.shape) in \(shape)")
        let out = Tensor(uninitialised: shape)
        tiled(pool) { start, length in
            factors.forEachPiece(from: start, count: length) { first, factors, count in
                multiplyElements(pointer + first, factors, into: out.pointer + first, count: count)
            }
        }
        return out
    }

    /// self + branch ⊙ factors: a residual connection with dropout on its branch.
    package func adding(_ branch: Tensor, times factors: DropoutFactors, pool: ThreadPool) -> Tensor {
        precondition(branch.count == count && factors.shape.count == count, "dropout of \(factors.shape) in \(branch.shape), added to \(shape)")
        let out = Tensor(uninitialised: shape)
        tiled(pool) { start, length in
            factors.forEachPiece(from: start, count: length) { first, factors, count in
                addProducts(pointer + first, branch.pointer + first, factors, into: out.pointer + first, count: count)
            }
        }
        return out
    }
}
