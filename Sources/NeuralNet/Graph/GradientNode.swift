import TensorCore

/// The gradient side of a variable: where its gradient gathers, and the way further back. It does not hold the variable's value, so what only
/// passes gradients on keeps no activations alive.
package final class GradientNode {
    package let shape: Shape
    /// Whether anyone wants the gradient.
    package let needsGradient: Bool
    let pool: ThreadPool
    /// How the value was made; nil for leaves, for inference, and after the walk back.
    var history: History?
    private(set) var gradient: Tensor?
    /// A parameter's gradient is a view into the graph's gradient vector: always there, added to in place.
    private let isParameter: Bool

    init(_ shape: Shape, needsGradient: Bool, pool: ThreadPool) {
        self.shape = shape
        self.needsGradient = needsGradient
        self.pool = pool
        isParameter = false
    }

    /// The node of a parameter, which owns no gradient but adds to `gradient`; nil if none is wanted.
    init(parameter shape: Shape, gradient: Tensor?, pool: ThreadPool) {
        self.shape = shape
        self.gradient = gradient
        self.pool = pool
        needsGradient = gradient != nil
        isParameter = true
    }

    /// An operation's place in the order of recording, the nodes of those inputs that have a history themselves, the inputs whose values
    /// must be made again before the way back, and the way back.
    struct History {
        let order: Int
        let inputs: [GradientNode]
        let rematerialised: [Variable]
        let backward: (Tensor) -> Void
    }

    func takeGradient() -> Tensor? {
        defer { gradient = nil }
        return gradient
    }

    /// Adds a share of the gradient; may keep it, so the caller must not write to it afterwards.
    package func accumulate(_ share: Tensor) {
        guard needsGradient else { return }
        precondition(share.count == shape.count, "gradient \(share.shape) for a value of shape \(shape)")
        guard var sum = gradient else {
            gradient = share.reshaped(shape)
            return
        }
        gradient = nil
        // Someone else may hold the first share too (a sum passes one tensor to both of its terms).
        if isParameter || isKnownUniquelyReferenced(&sum.storage) {
            sum.accumulateInPlace(share, pool: pool)
            gradient = sum
        } else {
            gradient = sum.adding(share, pool: pool)
        }
    }

    /// Lets an operation write its share directly: `body(sink, beta)` must set sink ← share + beta · sink. Not called if no gradient is wanted.
    package func accumulate(with body: (_ sink: Tensor, _ beta: Float) -> Void) {
        guard needsGradient else { return }
        if isParameter, let gradient {
            body(gradient, 1)
        } else {
            let share = Tensor(uninitialised: shape)
            body(share, 0)
            accumulate(share)
        }
    }
}
