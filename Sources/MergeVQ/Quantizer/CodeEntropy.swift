import NeuralNet
import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// The two entropies of look-up-free quantisation (spec 3.2), exact and factorised over bits (spec 3.3): no tokens × 2^d matrix exists.
///
/// A token's distribution over codes is a product over bits with P(bit k = 1) = σ(4 y_k/τ).
public struct CodeEntropy: Sendable {
    let bits: Int
    let temperature: Double
    /// ε in the logarithm of the batch term.
    let epsilon: Double

    /// The slope of the bit logits, 4/τ.
    private var slope: Double { 4 / temperature }

    /// H_s: the mean over tokens of the entropy of their code distribution, in nats; y `[…, d]`.
    public func perSample(_ y: Variable) -> Variable {
        let logits = y.value.elements.map { Double($0) * slope }
        let tokens = Double(max(logits.count / bits, 1))
        // h(σ(x)) = log(1 + e^−|x|) + |x| σ(−|x|), exact for large |x|.
        let total = logits.reduce(0.0) { sum, x in
            let tail = exp(-abs(x))
            return sum + log1p(tail) + abs(x) * tail / (1 + tail)
        }
        return y.graph.operation(Tensor([Float(total / tokens)], [1]), of: [y]) { [slope] gradient in
            let seed = Double(gradient.scalar)
            // dh/dx = −x σ(x) σ(−x)
            y.accumulate(
                Tensor(logits.map { x in
                    let tail = exp(-abs(x))
                    return Float(-seed * slope * x * tail / ((1 + tail) * (1 + tail)) / tokens)
                }, y.shape))
        }
    }

    /// H_b: the entropy of the mean code distribution over all tokens, −Σ q log(q + ε), in nats.
    ///
    /// The code is cut into low and high bits: with A `[N, 2^low]` and B `[N, 2^high]` the tokens' distributions over each half,
    /// q = Bᵀ·A / N is one product, and so are the gradients of A and B.
    public func batch(_ y: Variable) -> Variable {
        let logits = y.value.elements.map { Double($0) * slope }
        let tokens = logits.count / bits
        let low = bits / 2
        let (lowCodes, highCodes) = (1 << low, 1 << (bits - low))
        let probabilities = logits.map { 1 / (1 + exp(-$0)) }
        let complements = logits.map { 1 / (1 + exp($0)) }
        let pool = y.graph.pool
        let a = distributions(probabilities, complements, range: 0..<low, tokens: tokens, pool: pool)
        let b = distributions(probabilities, complements, range: low..<bits, tokens: tokens, pool: pool)
        let q = Tensor(uninitialised: [highCodes, lowCodes])
        multiply(
            MatrixOperand(b.pointer, stride: highCodes, transposed: true), MatrixOperand(a.pointer, stride: lowCodes),
            into: q.pointer, stride: lowCodes, rows: highCodes, columns: lowCodes, depth: tokens, alpha: 1 / Float(tokens), pool: pool)
        // From here on q holds the derivatives of the entropy.
        let entropy = replaceByEntropySlopes(q, pool: pool)
        return y.graph.operation(Tensor([Float(entropy)], [1]), of: [y]) { [self] gradient in
            let scale = gradient.scalar / Float(tokens)
            let da = Tensor(uninitialised: a.shape)
            let db = Tensor(uninitialised: b.shape)
            multiply(
                MatrixOperand(b.pointer, stride: highCodes), MatrixOperand(q.pointer, stride: lowCodes),
                into: da.pointer, stride: lowCodes, rows: tokens, columns: lowCodes, depth: highCodes, alpha: scale, pool: pool)
            multiply(
                MatrixOperand(a.pointer, stride: lowCodes),
                MatrixOperand(q.pointer, stride: lowCodes, transposed: true),
                into: db.pointer, stride: highCodes, rows: tokens, columns: highCodes, depth: lowCodes, alpha: scale, pool: pool)
            let share = Tensor(uninitialised: y.shape)
            addBitGradients(probabilities, complements, range: 0..<low, gradient: da, into: share, pool: pool)
            addBitGradients(probabilities, complements, range: low..<bits, gradient: db, into: share, pool: pool)
            y.accumulate(share)
        }
    }

    /// The sum of the batch entropies of groups of at most `groupBits` bits: an upper bound of `batch` that costs less, but does not see how
    /// groups go together (spec 3.3).
    public func batch(_ y: Variable, groupBits: Int) -> Variable {
        precondition(groupBits >= 1, "groups of \(groupBits) bits")
        let groups = stride(from: 0, to: bits, by: groupBits).map { $0..<min($0 + groupBits, bits) }
        return .weightedSum(
            groups.map { range in
                (1, CodeEntropy(bits: range.count, temperature: temperature, epsilon: epsilon).batch(y.columns(range)))
            })
    }

    /// −Σ q log(q + ε), added up in blocks of about 4096 codes in order; every q becomes −log(q + ε) − q/(q + ε).
    private func replaceByEntropySlopes(_ q: Tensor, pool: ThreadPool) -> Double {
        let blocks = Partition(q.count, about: 4096)
        var partial = [Double](repeating: 0, count: blocks.parts)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            pool.parallel(blocks.parts) { index in
                var sum = 0.0
                for code in blocks[index] {
                    let p = Double(q.pointer[code])
                    let logarithm = log(p + epsilon)
                    sum -= p * logarithm
                    q.pointer[code] = Float(-(logarithm + p / (p + epsilon)))
                }
                partial[index] = sum
            }
        }
        return partial.reduce(0, +)
    }

    /// Every token's distribution over the codes of some bits, `[N, 2^range.count]`, built by doubling: one bit more, twice the codes.
    private func distributions(_ p: [Double], _ complement: [Double], range: Range<Int>, tokens: Int, pool: ThreadPool) -> Tensor {
        let codes = 1 << range.count
        let out = Tensor(uninitialised: [tokens, codes])
        let blocks = Partition(tokens, about: 16)
        pool.parallel(blocks.parts) { index in
            for token in blocks[index] { distribute(p, complement, token: token, bits: range, into: out.pointer + token * codes) }
        }
        return out
    }

    /// One token's distribution over the codes of some bits.
    private func distribute(
        _ p: [Double], _ complement: [Double], token: Int, bits range: Range<Int>, into row: UnsafeMutablePointer<Float>
    ) {
        row[0] = 1
        for (k, bit) in range.enumerated() {
            let (one, zero) = (Float(p[token * bits + bit]), Float(complement[token * bits + bit]))
            for code in 0..<(1 << k) {
                row[code + (1 << k)] = row[code] * one
                row[code] *= zero
            }
        }
    }

    /// The doubling walked back: from the gradient of a token's distribution over some bits to that of their y.
    private func addBitGradients(
        _ p: [Double], _ complement: [Double], range: Range<Int>, gradient: Tensor, into share: Tensor, pool: ThreadPool
    ) {
        let codes = 1 << range.count
        let blocks = Partition(p.count / bits, about: 16)
        pool.parallel(blocks.parts) { index in
            Storage.withScratch(codes) { partial in
                for token in blocks[index] {
                    let d = gradient.pointer + token * codes
                    for k in stride(from: range.count - 1, through: 0, by: -1) {
                        let bit = token * bits + range.lowerBound + k
                        let (one, zero) = (Float(p[bit]), Float(complement[bit]))
                        // The distribution over the k lower bits of this half, before bit k doubled it.
                        distribute(p, complement, token: token, bits: range.lowerBound..<(range.lowerBound + k), into: partial)
                        var slopeOfBit = 0.0
                        for code in 0..<(1 << k) {
                            slopeOfBit += Double(partial[code] * (d[code + (1 << k)] - d[code]))
                            d[code] = d[code] * zero + d[code + (1 << k)] * one
                        }
                        share.pointer[bit] = Float(slopeOfBit * slope * p[bit] * complement[bit])
                    }
                }
            }
        }
    }
}
