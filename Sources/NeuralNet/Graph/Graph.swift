import TensorCore

/// One pass over a model: gives layers their weights, and walks back from a result to fill the gradients.
///
/// A graph owns no weights and no values. It is made for one pass from a flat weight vector and, when training, a flat gradient vector that
/// the pass adds to; evaluating with averaged weights is a graph made from the averaged vector. Values keep what they were made from, so
/// dropping a result drops its history.
public final class Graph {
    /// Threads for the operations.
    public let pool: ThreadPool
    /// What the backward pass computes a second time instead of keeping it.
    public let recomputation: Recomputation
    let weights: Tensor
    let gradients: Tensor?
    /// Is told the result of every operation, with the name of the last parameter that was asked for: a layer's results have its name.
    public var observer: ((_ layer: String, _ value: Tensor) -> Void)?
    private var layer = "input"
    private var recorded = 0
    /// What parameters are while `frozen` runs.
    private var frozenWeights: Tensor?
    /// Whether operations are recorded: when training, but not while values are made of which no history is wanted.
    private(set) var isRecording: Bool

    /// - Parameters:
    ///   - weights: all parameters, `[layout.count]`.
    ///   - gradients: where parameter gradients are added, same shape; nil for inference, which then records nothing.
    ///   - recomputation: moves no bit.
    public init(weights: Tensor, gradients: Tensor? = nil, recomputation: Recomputation = .none, pool: ThreadPool) {
        precondition(gradients == nil || gradients?.count == weights.count, "gradients do not match \(weights.shape) weights")
        self.weights = weights
        self.gradients = gradients
        self.recomputation = recomputation
        self.pool = pool
        isRecording = gradients != nil
    }

    /// The variable of a parameter; its gradient is a view into the gradient vector. While `frozen` runs: a constant.
    public subscript(parameter: Parameter) -> Variable {
        if observer != nil { layer = parameter.name }
        if let frozenWeights { return constant(frozenWeights.slice(from: parameter.offset, parameter.shape)) }
        return Variable(
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

    /// Runs `body`, in which parameters are constants: gradients pass through layers to their inputs, none reaches the parameters. For a
    /// discriminator in the generator's loss, and for pretrained networks.
    ///
    /// - Parameter weights: the parameters' values; those of the graph if nil.
    public func frozen<Result>(_ weights: Tensor? = nil, _ body: () -> Result) -> Result {
        let before = frozenWeights
        frozenWeights = weights ?? self.weights
        defer { frozenWeights = before }
        return body()
    }

    /// The result of an operation. `backward` receives the result's gradient and adds to those of the inputs; it is kept only if one of
    /// them needs a gradient. What it captures stays in memory until it is called.
    ///
    /// - Parameters:
    ///   - inputs: whose values `backward` looks at.
    ///   - others: inputs that only receive gradients. `backward` captures their `node`s instead of them, so that their values can go.
    ///   - again: makes the value again, bit by bit the same, with less work than the first time.
    public func operation(
        _ value: Tensor, of inputs: [Variable] = [], passing others: [Variable] = [], again: (() -> Tensor)? = nil,
        backward: @escaping (Tensor) -> Void
    ) -> Variable {
        observer?(layer, value)
        guard isRecording, inputs.contains(where: \.needsGradient) || others.contains(where: \.needsGradient) else { return constant(value) }
        let result = recordedOperation(value, of: inputs, passing: others, backward: backward)
        result.again = again
        return result
    }

    /// The result of an operation whose inputs, or parameters, need gradients.
    func recordedOperation(
        _ value: Tensor, of inputs: [Variable], passing others: [Variable] = [], backward: @escaping (Tensor) -> Void
    ) -> Variable {
        recorded += 1
        let output = Variable(value, graph: self, needsGradient: true)
        output.node.history = GradientNode.History(
            order: recorded, inputs: (inputs + others).map(\.node).filter { $0.history != nil },
            rematerialised: inputs.filter(\.isRematerialised), backward: backward)
        for input in inputs + others { input.release() }
        return output
    }

    /// Runs what a closure made inside `frozen`, or outside, computes later, with the parameters of then.
    func again<Input, Result>(_ body: @escaping (Input) -> Result) -> (Input) -> Result {
        let then = frozenWeights
        return { [unowned self] input in
            let now = frozenWeights
            frozenWeights = then
            defer { frozenWeights = now }
            return body(input)
        }
    }

    /// Runs `body` without recording: its results have values but no history.
    func withoutRecording<Result>(_ body: () -> Result) -> Result {
        let before = isRecording
        isRecording = false
        defer { isRecording = before }
        return body()
    }

    /// Walks back from `output`, whose gradient is `seed` (default: ones), in the reverse order of recording, and forgets the history on the
    /// way. Gradients of parameters are added to the gradient vector.
    public func backward(from output: Variable, seed: Tensor? = nil) {
        backward(from: output.node, seed: seed ?? Tensor(filledWith: 1, output.shape), upTo: [])
    }

    /// The same from a node, but not beyond the nodes `ends`, which only gather gradients.
    func backward(from output: GradientNode, seed: Tensor, upTo ends: [GradientNode]) {
        output.accumulate(seed)
        var seen = Set(ends.map { ObjectIdentifier($0) })
        guard seen.insert(ObjectIdentifier(output)).inserted else { return }
        var steps: [GradientNode] = [output]
        var next = 0
        while next < steps.count {
            for input in steps[next].history?.inputs ?? [] where seen.insert(ObjectIdentifier(input)).inserted { steps.append(input) }
            next += 1
        }
        steps.sort { ($0.history?.order ?? 0) < ($1.history?.order ?? 0) }
        while let step = steps.popLast() {
            guard let history = step.history else { continue }
            step.history = nil
            guard let gradient = step.takeGradient() else { continue }
            // On this thread, before the operation's tiles ask for them.
            for input in history.rematerialised { _ = input.value }
            history.backward(gradient)
            for input in history.rematerialised { input.release() }
        }
    }
}
