import TensorCore

/// A value in a graph, and its gradient while the tape is walked back.
public final class Variable {
    public let graph: Graph
    package let node: GradientNode
    private var held: Tensor?
    /// Makes the value again, bit by bit the same; nil for values that stay.
    private var recipe: (() -> Tensor)?
    /// The operation's own way to make the value again, if that is less work than the operation.
    var again: (() -> Tensor)?

    init(_ value: Tensor, graph: Graph, needsGradient: Bool) {
        held = value
        self.graph = graph
        node = GradientNode(value.shape, needsGradient: needsGradient, pool: graph.pool)
    }

    /// A parameter leaf.
    init(_ value: Tensor, graph: Graph, gradient: Tensor?) {
        held = value
        self.graph = graph
        node = GradientNode(parameter: value.shape, gradient: gradient, pool: graph.pool)
    }

    /// The same variable with a value that stays.
    init(holding variable: Variable) {
        held = variable.value
        graph = variable.graph
        node = variable.node
    }

    public var shape: Shape { node.shape }
    /// Whether operations on this value are recorded.
    public var needsGradient: Bool { node.needsGradient }
    var pool: ThreadPool { graph.pool }

    /// The gradient gathered so far; of inputs, what `backward` left.
    public var gradient: Tensor? { node.gradient }

    /// The elements. Of a rematerialised variable they are made again if they are not at hand, which only the thread that walks the graph may
    /// do.
    public var value: Tensor {
        if let held { return held }
        guard let value = recipe?() else { preconditionFailure("a variable of shape \(shape) without value or recipe") }
        precondition(value.shape == shape, "a value of shape \(shape) came out as \(value.shape) the second time")
        held = value
        return value
    }

    /// Lets the value go whenever it is not in use; `recipe` makes it again.
    func rematerialise(by recipe: @escaping () -> Tensor) { self.recipe = recipe }

    var isRematerialised: Bool { recipe != nil }

    /// After a use: frees a value that can be made again.
    func release() {
        if isRematerialised { held = nil }
    }

    /// Adds `gradient`; may keep it, so the caller must not write to it afterwards.
    public func accumulate(_ gradient: Tensor) { node.accumulate(gradient) }

    /// Lets an operation write its share directly: `body(sink, beta)` must set sink ← share + beta · sink. Not called if no gradient is wanted.
    public func accumulate(with body: (_ sink: Tensor, _ beta: Float) -> Void) { node.accumulate(with: body) }
}
