import TensorCore

/// What the backward pass computes a second time instead of keeping it from the first. Less memory for more time; the bits are the same.
public enum Recomputation: String, Sendable, CaseIterable {
    /// Only what costs next to nothing: see `Graph.rematerialised`.
    case none
    /// Residual and transformer blocks keep nothing but their inputs.
    case blocks
}

extension Graph {
    /// The result of one cheap operation (a normalisation, an activation), which is not kept: freed after each use and made again from the
    /// operation's inputs when the backward pass of its user needs it. Recomputing a normalisation before a convolution costs one pass over a
    /// map and saves half of the maps a residual block would keep.
    ///
    /// - Parameter operation: must give the same bits every time, from values that it captures.
    public func rematerialised(_ operation: @escaping () -> Variable) -> Variable {
        let result = operation()
        // A leaf or a constant: nothing was recorded that would keep it.
        guard result.node.history != nil else { return result }
        let remake = again { [unowned self] (_: Void) in withoutRecording { operation().value } }
        result.rematerialise(by: result.again ?? { remake(()) })
        return result
    }

    /// The result of a block of operations on `inputs`. With `Recomputation.blocks` its inner values are freed at once, and the block runs a
    /// second time in the backward pass; otherwise this just calls it.
    ///
    /// - Parameter block: must give the same bits every time, and have gradients only for parameters and for the inputs it is given.
    public func block(_ inputs: Variable..., block: @escaping ([Variable]) -> Variable) -> Variable {
        guard isRecording, recomputation == .blocks else { return block(inputs) }
        let value = withoutRecording { block(inputs).value }
        let block = again(block)
        return recordedOperation(value, of: inputs) { [unowned self] gradient in
            // The second run's shares reach the inputs one by one, as they would have without recomputation: sums have the same order.
            let output = block(inputs.map { Variable(holding: $0) }).node
            backward(from: output, seed: gradient, upTo: inputs.map(\.node))
        }
    }
}
