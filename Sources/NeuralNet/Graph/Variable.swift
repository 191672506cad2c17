import TensorCore

/// A value in a graph, and its gradient while the tape is walked back.
public final class Variable {
    public let value: Tensor
    /// Whether operations on this value are recorded.
    public let needsGradient: Bool
    public unowned let graph: Graph
    private var gradientStorage: Tensor?
    /// A parameter's gradient is a view into the graph's gradient vector: always there, added to in place.
    private let isParameter: Bool

    init(_ value: Tensor, graph: Graph, needsGradient: Bool) {
        self.value = value
        self.graph = graph
        self.needsGradient = needsGradient
        isParameter = false
    }

    /// A parameter leaf.
    init(_ value: Tensor, graph: Graph, gradient: Tensor?) {
        self.value = value
        self.graph = graph
        gradientStorage = gradient
        needsGradient = gradient != nil
        isParameter = true
    }

    public var shape: Shape { value.shape }
    var pool: ThreadPool { graph.pool }

    /// The gradient gathered so far; of inputs, what `backward` left.
    public var gradient: Tensor? { gradientStorage }

    func takeGradient() -> Tensor? {
        defer { gradientStorage = nil }
        return gradientStorage
    }

    /// Adds `gradient`; may keep it, so the caller must not write to it afterwards.
    public func accumulate(_ gradient: Tensor) {
        guard needsGradient else { return }
        precondition(gradient.count == value.count, "gradient \(gradient.shape) for a value of shape \(shape)")
        guard var sum = gradientStorage else {
            gradientStorage = gradient.reshaped(shape)
            return
        }
        gradientStorage = nil
        // Someone else may hold the first gradient too (a sum passes one tensor to both of its terms).
        if !isParameter, !isKnownUniquelyReferenced(&sum.storage) { sum = sum.copied() }
        sum.accumulateInPlace(gradient.reshaped(shape), pool: pool)
        gradientStorage = sum
    }

    /// Lets an operation write its share directly: `body(sink, beta)` must set sink ← share + beta · sink. Not called if no gradient is wanted.
    public func accumulate(with body: (_ sink: Tensor, _ beta: Float) -> Void) {
        guard needsGradient else { return }
        if isParameter, let sink = gradientStorage {
            body(sink, 1)
        } else {
            let share = Tensor(uninitialised: shape)
            body(share, 0)
            accumulate(share)
        }
    }
}
