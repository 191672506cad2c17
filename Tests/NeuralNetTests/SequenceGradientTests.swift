import NeuralNet
import TensorCore
import TestKit
import Testing

/// The operations of an autoregressive transformer against central differences.
@Suite struct SequenceGradientTests {
    @Test func rmsNorm() {
        checkGradient(of: [randomTensor([3, 4, 6], key: "x"), randomTensor([6], key: "gain")], named: "rmsNorm") {
            $0[0].rmsNormalised(gain: $0[1], epsilon: 1e-5)
        }
    }

    @Test func gate() {
        checkGradient(of: [randomTensor([2, 5, 3], key: "gate", scale: 4), randomTensor([2, 5, 3], key: "x")], named: "gate") {
            $0[0].gating($0[1])
        }
    }

    @Test func dropout() {
        let factors = Tensor([0, 2, 2, 0, 2, 2], [2, 3])
        checkGradient(of: [randomTensor([2, 3], key: "x")], named: "multiplied") { $0[0].multiplied(by: factors) }
        let random = DropoutFactors(rate: 0.4, random: Philox(seed: 2, domain: "dropout"), step: 5, samples: [3, 1], shape: [2, 3, 5])
        let (x, branch) = (randomTensor([2, 3, 5], key: "x"), randomTensor([2, 3, 5], key: "branch"))
        checkGradient(of: [x], named: "dropout") { $0[0].multiplied(by: random) }
        checkGradient(of: [x, branch], named: "residual with dropout") { $0[0].adding($0[1], dropout: random) }
        checkGradient(of: [x], named: "residual with itself") { $0[0].adding($0[0].multiplied(by: random), dropout: random) }
    }

    @Test func embedding() {
        checkGradient(of: [randomTensor([4, 3], key: "table")], named: "embedding") { $0[0].embedded([1, 3, 1, 1, 0, 3], batch: 2) }
    }

    @Test(arguments: [RotaryTable.PrefixRotation.zero, .identity])
    func rotation(_ prefix: RotaryTable.PrefixRotation) {
        let table = RotaryTable(headWidth: 8, grid: 3, prefix: 1, prefixRotation: prefix)
        let shared = table.rotation(rows: [0, 3, 9, 2])
        let own = table.rotation(rows: [[0, 3, 9, 2], [5, 0, 1, 8]])
        let x = randomTensor([2, 4, 24], key: "x")
        checkGradient(of: [x], named: "rotated heads") { $0[0].rotatedHeads(by: shared) }
        checkGradient(of: [x], named: "rotated heads of each sample") { $0[0].rotatedHeads(by: own) }
        checkGradient(of: [x], named: "projections") { $0[0].rotatedProjections(heads: 1, keyValueHeads: 1, by: own) }
        checkGradient(of: [randomTensor([2, 4, 64], key: "x")], named: "shared projections") {
            $0[0].rotatedProjections(heads: 4, keyValueHeads: 2, by: own)
        }
    }

    /// Rotation by cells keeps lengths, and turns scores into functions of the distance between cells.
    @Test func scoresDependOnTheDistance() {
        let table = RotaryTable(headWidth: 8, grid: 6, prefix: 2)
        let graph = Graph(weights: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        let (q, k) = (randomTensor([1, 1, 8], key: "q"), randomTensor([1, 1, 8], key: "k"))
        func score(_ from: (row: Int, column: Int), _ to: (row: Int, column: Int)) -> Float {
            func rotated(_ x: Tensor, _ cell: (row: Int, column: Int)) -> [Float] {
                graph.constant(x).rotatedHeads(by: table.rotation(rows: [2 + cell.row * 6 + cell.column])).value.elements
            }
            return zip(rotated(q, from), rotated(k, to)).reduce(0) { $0 + $1.0 * $1.1 }
        }
        #expect(abs(score((1, 2), (3, 1)) - score((2, 4), (4, 3))) < 1e-5)
        #expect(abs(score((1, 2), (3, 1)) - score((1, 2), (3, 2))) > 1e-3)
    }

    @Test func smoothedCrossEntropy() {
        for smoothing in [Float(0), 0.1] {
            checkGradient(of: [randomTensor([2, 3, 4], key: "logits", scale: 3)], named: "cross-entropy smoothed by \(smoothing)") {
                $0[0].crossEntropy(targets: [0, 3, 1, 1, 2, 0], smoothing: smoothing).loss
            }
        }
    }

    /// A handful of tokens, and more.
    @Test(arguments: [7, 20])
    func maskedSelfAttention(_ length: Int) {
        let mask = AttentionMask(
            (0..<(2 * length * length)).map { index in
                let (sample, query, key) = (index / length / length, index / length % length, index % length)
                return key == query || (key < query && (key + sample) % 3 == 0) ? 1 : 0
            }, samples: 2, queries: length, keys: length)
        checkGradient(of: [randomTensor([2, length, 24], key: "qkv", scale: 2)], named: "masked attention of \(length)") {
            $0[0].selfAttention(heads: 2, keyBias: nil, mask: mask)
        }
    }
}
