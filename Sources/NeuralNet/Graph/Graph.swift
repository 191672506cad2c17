import TensorCore

/// One forward pass and its tape: layers ask it for their weights, operations record how to go back, `backward` fills the gradients.
///
/// A graph owns no weights. It is made for one pass from a flat weight vector and, when training, a flat gradient vector that the pass adds to;
/// evaluating with averaged weights is a graph made from the averaged vector.
public final class Graph {
    /// Threads for the operations.
    public let pool: ThreadPool
    let weights: Tensor
    let gradients: Tensor?
    private var leaves: [Int: Variable] = [:]
    private var tape: [(output: Variable, backward: (Tensor) -> Void)] = []
    private let recording: Bool

    /// - Parameters:
    ///   - weights: all parameters, `[layout.count]`.
    ///   - gradients: where parameter gradients are added, same shape; nil for inference, which then records nothing.
    public init(weights: Tensor, gradients: Tensor? = nil, pool: ThreadPool) {
        precondition(gradients == nil || gradients?.count == weights.count, "gradients do not match \(weights.shape) weights")
        self.weights = weights
        self.gradients = gradients
        self.pool = pool
        recording = gradients != nil
    }

    /// The variable of a parameter.
    public subscript(parameter: Parameter) -> Variable {
        if let leaf = leaves[parameter.offset] { return leaf }
        let leaf = Variable(
            weights.slice(from: parameter.offset, parameter.shape), graph: self,
            gradient: gradients?.slice(from: parameter.offset, parameter.shape))
        leaves[parameter.offset] = leaf
        return leaf
    }

    /// A value without gradient: images, targets.
    public func constant(_ value: Tensor) -> Variable {
        Variable(value, graph: self, needsGradient: false)
    }

    /// A value whose gradient is wanted, outside the parameters: for tests and for gradients with respect to images.
    public func input(_ value: Tensor) -> Variable {
        Variable(value, graph: self, needsGradient: recording)
    }

    /// The result of an operation. `backward` receives the result's gradient and adds to those of the inputs; it is kept only if one of
    /// them needs a gradient.
    public func operation(_ value: Tensor, of inputs: [Variable], backward: @escaping (Tensor) -> Void) -> Variable {
        let needed = recording && inputs.contains { $0.needsGradient }
        let output = Variable(value, graph: self, needsGradient: needed)
        if needed { tape.append((output, backward)) }
        return output
    }

    /// Walks the tape back from `output`, whose gradient is `seed` (default: ones), and empties it. Gradients of parameters are added to
    /// the gradient vector.
    public func backward(from output: Variable, seed: Tensor? = nil) {
        output.accumulate(seed ?? Tensor(filledWith: 1, output.value.shape))
        while let (output, backward) = tape.popLast() {
            if let gradient = output.takeGradient() { backward(gradient) }
        }
    }
}
