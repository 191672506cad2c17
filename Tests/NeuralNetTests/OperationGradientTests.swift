import NeuralNet
import TensorCore
import TestKit
import Testing

/// Every differentiable operation against central differences.
@Suite struct OperationGradientTests {
    @Test func sum() {
        checkGradient(of: [randomTensor([2, 3], key: "a"), randomTensor([2, 3], key: "b")], named: "sum") { $0[0] + $0[1] }
    }

    @Test func aValueUsedTwiceGetsBothGradients() {
        checkGradient(of: [randomTensor([4], key: "a")], named: "twice") { $0[0] + $0[0].scaled(by: 3) + $0[0] }
    }

    @Test func scaledAndReshaped() {
        checkGradient(of: [randomTensor([2, 6], key: "a")], named: "scaled") { $0[0].scaled(by: -2.5).reshaped([3, 4]) }
    }

    @Test func layerScaleResidual() {
        checkGradient(
            of: [randomTensor([2, 5, 4], key: "x"), randomTensor([2, 5, 4], key: "branch"), randomTensor([4], key: "gain")],
            named: "addingScaled"
        ) { $0[0].addingScaled($0[1], gain: $0[2]) }
    }

    @Test func repeatedConcatenatedAndCut() {
        checkGradient(of: [randomTensor([1, 1, 3], key: "row"), randomTensor([2, 4, 3], key: "x")], named: "sequence") {
            $0[0].repeated(batch: 2, rows: 1).followed(by: $0[1]).rows(from: 0, count: 3)
        }
    }

    @Test func linear() {
        checkGradient(
            of: [randomTensor([2, 5, 3], key: "x"), randomTensor([4, 3], key: "w"), randomTensor([4], key: "b")], named: "linear"
        ) { $0[0].linear(weight: $0[1], bias: $0[2]) }
    }

    @Test func linearAfterGELU() {
        let inputs = [randomTensor([2, 5, 3], key: "x", scale: 3), randomTensor([4, 3], key: "w"), randomTensor([4], key: "b")]
        checkGradient(of: inputs, named: "geluLinear") { Activated($0[0]).linear(weight: $0[1], bias: $0[2]) }
        checkGradient(of: Array(inputs[..<2]), named: "geluLinear without bias") { Activated($0[0]).linear(weight: $0[1], bias: nil) }
        checkGradient(of: inputs, named: "GELU made with its input") {
            $0[0].linearGELU(weight: $0[1], bias: $0[2]).linear(weight: $0[1].reshaped([3, 4]), bias: nil)
        }
        let graph = Graph(weights: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        let x = inputs.map { graph.input($0) }
        #expect(Activated(x[0]).linear(weight: x[1], bias: x[2]).value.elements == x[0].gelu().linear(weight: x[1], bias: x[2]).value.elements)
    }

    @Test(arguments: [(1, 3, 1), (2, 3, 1), (4, 4, 0), (1, 1, 0)])
    func convolution(_ stride: Int, _ kernel: Int, _ padding: Int) {
        checkGradient(
            of: [
                randomTensor([2, 8, 8, 3], key: "x"), randomTensor([4, kernel, kernel, 3], key: "w"), randomTensor([4], key: "b"),
            ], named: "convolution"
        ) { $0[0].convolved(weight: $0[1], bias: $0[2], stride: stride, padding: padding) }
    }

    @Test func depthwiseConvolution() {
        checkGradient(
            of: [randomTensor([2, 4, 5, 6], key: "x"), randomTensor([3, 3, 6], key: "w"), randomTensor([6], key: "b")],
            named: "depthwise"
        ) { $0[0].depthwiseConvolved(weight: $0[1], bias: $0[2]) }
    }

    @Test func depthToSpace() {
        checkGradient(of: [randomTensor([2, 2, 3, 8], key: "x")], named: "depthToSpace") { $0[0].depthToSpace() }
    }

    @Test func scores() {
        checkGradient(of: [randomTensor([2, 5, 3], key: "q"), randomTensor([2, 4, 3], key: "k")], named: "scores") {
            $0[0].scores(against: $0[1], factor: 0.7)
        }
    }

    @Test func layerNorm() {
        checkGradient(
            of: [randomTensor([3, 4, 6], key: "x"), randomTensor([6], key: "gain"), randomTensor([6], key: "bias")], named: "layerNorm"
        ) { $0[0].layerNormalised(gain: $0[1], bias: $0[2], epsilon: 1e-5) }
    }

    @Test(arguments: [(1, false), (2, true), (4, false), (8, true)])
    func groupNorm(_ groups: Int, _ silu: Bool) {
        checkGradient(
            of: [randomTensor([2, 4, 3, 8], key: "x"), randomTensor([8], key: "gain"), randomTensor([8], key: "bias")],
            named: "groupNorm"
        ) { $0[0].groupNormalised(groups: groups, gain: $0[1], bias: $0[2], epsilon: 1e-6, silu: silu) }
    }

    @Test func groupNormWithAGainAnImage() {
        checkGradient(
            of: [randomTensor([2, 5, 8], key: "x"), randomTensor([2, 8], key: "gain"), randomTensor([2, 8], key: "bias")],
            named: "groupNorm per image"
        ) { $0[0].groupNormalised(groups: 2, gain: $0[1], bias: $0[2], epsilon: 1e-6, silu: false) }
    }

    @Test func activations() {
        let x = randomTensor([50], key: "x", scale: 4)
        checkGradient(of: [x], named: "silu") { $0[0].silu() }
        checkGradient(of: [x], named: "gelu") { $0[0].gelu() }
    }

    @Test(arguments: [false, true])
    func selfAttention(_ biased: Bool) {
        let bias = biased ? randomTensor([2, 7], key: "sizes") : nil
        checkGradient(of: [randomTensor([2, 7, 24], key: "qkv", scale: 2)], named: "selfAttention") {
            $0[0].selfAttention(heads: 2, keyBias: bias)
        }
    }

    @Test func crossAttention() {
        checkGradient(of: [randomTensor([2, 5, 8], key: "q", scale: 2), randomTensor([2, 3, 16], key: "kv", scale: 2)], named: "crossAttention") {
            $0[0].crossAttention(keysAndValues: $0[1], heads: 2)
        }
    }

    @Test func losses() {
        let target = randomTensor([2, 6], key: "target", scale: 3)
        checkGradient(of: [randomTensor([2, 6], key: "x", scale: 0.1)], named: "L1", step: 1e-3) { $0[0].meanAbsoluteError(to: target) }
        checkGradient(of: [randomTensor([2, 3, 4], key: "logits", scale: 3)], named: "cross-entropy") {
            $0[0].crossEntropy(targets: [0, 3, 1, 1, 2, 0])
        }
        checkGradient(of: [randomTensor([2, 6], key: "x")], named: "L2") { $0[0].meanSquaredError(to: target) }
        checkGradient(of: [randomTensor([2, 3, 4], key: "logits", scale: 3)], named: "binary cross-entropy") {
            $0[0].binaryCrossEntropy(targets: [0, 3, 1, 1, 2, 0])
        }
        checkGradient(of: [randomTensor([2, 3, 5], key: "x")], named: "columns") { $0[0].columns(1..<4) }
        checkGradient(of: [randomTensor([5], key: "x")], named: "weighted sum") {
            Variable.weightedSum([(2, $0[0].inner(Tensor([1, 2, 3, 4, 5], [5]))), (-0.5, $0[0].meanAbsoluteError(to: Tensor(filledWith: 9, [5])))])
        }
    }
}
