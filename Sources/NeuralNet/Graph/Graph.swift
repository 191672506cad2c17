import TensorCore

/// One pass over a model: gives layers their weights, and walks back from a result to fill the gradients.
///
/// A graph owns no weights and no values. It is made for one pass from a flat weight vector and, when training, a flat gradient vector that
/// the pass adds to; evaluating with averaged weights is a graph made from the averaged vector. Values keep what they were made from, so
/// dropping a result drops its history.
public final class Graph {
    /// Threads for the operations.
    public let pool: ThreadPool
    let weights: Tensor
    let gradients: Tensor?
    private var recorded = 0

    /// - Parameters:
    ///   - weights: all parameters, `[layout.count]`.
    ///   - gradients: where parameter gradients are added, same shape; nil for inference, which then records nothing.
    public init(weights: Tensor, gradients: Tensor? = nil, pool: ThreadPool) {
        precondition(gradients == nil || gradients?.count == weights.count, "gradients do not match \(weights.shape) weights")
        self.weights = weights
        self.gradients = gradients
        self.pool = pool
    }

    /// The variable of a parameter; its gradient is a view into the gradient vector.
    public subscript(parameter: Parameter) -> Variable {
        Variable(
            weights.slice(from: parameter.offset, parameter.shape), graph: self,
            gradient: gradients?.slice(from: parameter.offset, parameter.shape))
    }

    /// A value without gradient: images, targets.
    public func constant(_ value: Tensor) -> Variable {
        Variable(value, graph: self, needsGradient: false)
    }

    /// A value whose gradient is wanted, outside the parameters: for tests and for gradients with respect to images.
    public func input(_ value: Tensor) -> Variable {
        Variable(value, graph: self, needsGradient: gradients != nil)
    }

    /// The result of an operation. `backward` receives the result's gradient and adds to those of the inputs; it is kept only if one of
    /// them needs a gradient.
    public func operation(_ value: Tensor, of inputs: [Variable], backward: @escaping (Tensor) -> Void) -> Variable {
        guard gradients != nil, inputs.contains(where: \.needsGradient) else { return constant(value) }
        recorded += 1
        let output = Variable(value, graph: self, needsGradient: true)
        output.history = Variable.History(order: recorded, inputs: inputs.filter { $0.history != nil }, backward: backward)
        return output
    }

    /// Walks back from `output`, whose gradient is `seed` (default: ones), in the reverse order of recording, and forgets the history on the
    /// way. Gradients of parameters are added to the gradient vector.
    public func backward(from output: Variable, seed: Tensor? = nil) {
        output.accumulate(seed ?? Tensor(filledWith: 1, output.value.shape))
        var seen: Set<ObjectIdentifier> = [ObjectIdentifier(output)]
        var steps: [Variable] = [output]
        var next = 0
        while next < steps.count {
            for input in steps[next].history?.inputs ?? [] where seen.insert(ObjectIdentifier(input)).inserted { steps.append(input) }
            next += 1
        }
        steps.sort { ($0.history?.order ?? 0) < ($1.history?.order ?? 0) }
        while let step = steps.popLast() {
            guard let history = step.history else { continue }
            step.history = nil
            if let gradient = step.takeGradient() { history.backward(gradient) }
        }
    }
}
