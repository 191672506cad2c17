/// A table of learned rows.
public struct Embedding: Sendable {
    package let weight: Parameter

    /// Registers `weight [rows, width]`.
    public init(_ scope: ParameterScope, rows: Int, width: Int, initialiser: Initialiser) {
        weight = scope.parameter("weight", [rows, width], initialiser)
    }

    /// The rows of `batch` sequences of equal length, one after the other: `[batch, t, width]`.
    public func callAsFunction(_ indices: [Int32], batch: Int, in graph: Graph) -> Variable {
        graph[weight].embedded(indices, batch: batch)
    }
}
