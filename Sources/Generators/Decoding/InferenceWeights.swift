import NeuralNet
import TensorCore

/// A generator's weights as sampling reads them: matrices in panels, everything else copied as it is, so that the vector they come from is not
/// needed any more.
package struct InferenceWeights: Sendable {
    /// One block's.
    struct Block: Sendable {
        let attentionGain: Tensor
        /// Rows of queries, keys, values.
        let projections: PackedMatrix
        let output: PackedMatrix
        let feedForwardGain: Tensor
        /// Panels of W₁ and W₃ in turns.
        let gateAndUp: PackedMatrix
        let down: PackedMatrix
        let epsilon: Float

        init(_ block: GeneratorBlock, _ weights: Tensor, pool: ThreadPool) {
            func packed(_ layer: Linear) -> PackedMatrix { PackedMatrix(weights.view(of: layer.weight), pool: pool) }
            attentionGain = weights.view(of: block.attentionNorm.weight).copied()
            projections = packed(block.attention.projections)
            output = packed(block.attention.output)
            feedForwardGain = weights.view(of: block.feedForwardNorm.weight).copied()
            gateAndUp = PackedMatrix(
                interleaving: [weights.view(of: block.feedForward.gate.weight), weights.view(of: block.feedForward.up.weight)], pool: pool)
            down = packed(block.feedForward.down)
            epsilon = block.attentionNorm.epsilon
        }

        var bytes: Int { projections.bytes + output.bytes + gateAndUp.bytes + down.bytes }
    }

    let preTable: Tensor
    let postTable: Tensor
    let classTable: Tensor
    let mergeTable: Tensor?
    let positionInstruction: Tensor?
    let spatialBlocks: [Block]
    let intraBlocks: [Block]
    let gain: Tensor
    let epsilon: Float
    let preHead: PackedMatrix
    let postHead: PackedMatrix

    /// - Parameter weights: the flat vector of the generator's layout.
    init(_ generator: Generator, _ weights: Tensor, pool: ThreadPool) {
        func copied(_ parameter: Parameter) -> Tensor { weights.view(of: parameter).copied() }
        preTable = copied(generator.preTable.weight)
        postTable = copied(generator.postTable.weight)
        classTable = copied(generator.classTable.weight)
        mergeTable = generator.mergeTable.map { copied($0.weight) }
        positionInstruction = generator.positionInstruction.map(copied)
        spatialBlocks = generator.spatialBlocks.map { Block($0, weights, pool: pool) }
        intraBlocks = generator.intraBlocks.map { Block($0, weights, pool: pool) }
        gain = copied(generator.norm.weight)
        epsilon = generator.norm.epsilon
        preHead = PackedMatrix(weights.view(of: generator.preHead.weight), pool: pool)
        postHead = PackedMatrix(weights.view(of: generator.postHead.weight), pool: pool)
    }

    /// Bytes of the matrices that one token of one image reads, the blocks over the parts of a code twice: what a single image's speed is bounded by.
    package var bytesReadPerToken: Int {
        spatialBlocks.reduce(0) { $0 + $1.bytes } + 2 * intraBlocks.reduce(0) { $0 + $1.bytes } + preHead.bytes + postHead.bytes
    }
}

extension Tensor {
    /// A parameter within the flat vector.
    fileprivate func view(of parameter: Parameter) -> Tensor { slice(from: parameter.offset, parameter.shape) }
}
