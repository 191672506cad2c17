import NeuralNet
import TensorCore

/// Look-up-free quantisation (eq. 4, spec 3): every channel becomes its sign, the code index is the bits read least significant first.
/// No parameters.
public struct LookupFreeQuantizer: Sendable {
    /// Bits a token, d; the codebook has 2^d codes.
    public let bits: Int
    public let entropy: CodeEntropy

    /// - Parameters:
    ///   - temperature: τ of the code distributions.
    ///   - epsilon: ε in the logarithm of the batch entropy.
    public init(bits: Int, temperature: Double = 0.01, epsilon: Double = 1e-5) {
        precondition(bits >= 1 && bits <= 30, "\(bits) bits: the codebook must have 2 to 2^30 codes")
        self.bits = bits
        entropy = CodeEntropy(bits: bits, temperature: temperature, epsilon: epsilon)
    }

    /// A quantised batch.
    public struct Codes {
        /// ±1, `[B, K, d]`; its gradient passes straight to y.
        public let z: Variable
        /// Code indices `[B · K]`.
        public let indices: [Int32]
    }

    /// y `[B, K, d]` → codes; 0 becomes −1.
    public func callAsFunction(_ y: Variable) -> Codes {
        precondition(y.shape[-1] == bits, "\(bits)-bit quantiser on values of shape \(y.shape)")
        let signs = Tensor(y.value.elements.map { $0 > 0 ? 1 : -1 }, y.shape)
        let z = y.graph.operation(signs, of: [y]) { gradient in y.accumulate(gradient) }
        return Codes(z: z, indices: indices(of: signs))
    }

    /// The index of every code: bit k counts 2^k.
    public func indices(of z: Tensor) -> [Int32] {
        z.withElements { elements in
            (0..<(elements.count / bits)).map { token in
                (0..<bits).reduce(Int32(0)) { $0 | (elements[token * bits + $1] > 0 ? Int32(1) << Int32($1) : 0) }
            }
        }
    }

    /// The ±1 codes `[indices.count, d]` of indices.
    public func codes(of indices: [Int32]) -> Tensor {
        Tensor(indices.flatMap { index in (0..<bits).map { index >> Int32($0) & 1 == 1 ? Float(1) : -1 } }, [indices.count, bits])
    }

    /// mean (y − sign y)² over all elements, gradient to y only (spec 3.4).
    public func commitment(_ y: Variable) -> Variable {
        let values = y.value.elements
        let distance = values.map { $0 - ($0 > 0 ? 1 : -1) }
        let mean = distance.reduce(0.0) { $0 + Double($1 * $1) } / Double(max(values.count, 1))
        return y.graph.operation(Tensor([Float(mean)], [1]), of: [y]) { gradient in
            let factor = 2 * gradient.scalar / Float(values.count)
            y.accumulate(Tensor(distance.map { $0 * factor }, y.shape))
        }
    }
}
