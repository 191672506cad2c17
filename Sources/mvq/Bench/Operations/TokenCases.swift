import MergeVQ
import NeuralNet
import TensorCore

extension OperationCase {
    static func linear(rows: Int, inputs: Int, outputs: Int) -> [OperationCase] {
        let work = Work.flops(2 * Double(rows) * Double(inputs) * Double(outputs))
        let shape = "\(inputs)→\(outputs)"
        return [
            OperationCase("linear", "forward", shape, tokens: rows, work) { pool in
                let (x, w, bias) = (benchTensor([rows, inputs]), benchTensor([outputs, inputs]), benchTensor([outputs]))
                return { _ = x.linear(weight: w, bias: bias, pool: pool) }
            },
            OperationCase("linear", "data gradient", shape, tokens: rows, work) { pool in
                let (dy, w) = (benchTensor([rows, outputs]), benchTensor([outputs, inputs]))
                return { _ = dy.linearInputGradient(weight: w, pool: pool) }
            },
            OperationCase("linear", "weight gradient", shape, tokens: rows, work) { pool in
                let (x, dy) = (benchTensor([rows, inputs]), benchTensor([rows, outputs]))
                let (sink, bias) = (Tensor(zeros: [outputs, inputs]), Tensor(zeros: [outputs]))
                return {
                    dy.linearWeightGradient(input: x, into: sink, beta: 1, pool: pool)
                    dy.columnSums(into: bias, beta: 1, pool: pool)
                }
            },
        ]
    }

    static func attention(queries: Int, keys: Int, heads: Int, headWidth: Int) -> [OperationCase] {
        let attention = Attention(heads: heads, headWidth: headWidth)
        let width = heads * headWidth
        let flops = 4 * Double(queries) * Double(keys) * Double(width)
        let shape = (queries == keys ? "" : "on \(keys), ") + "\(heads) heads × \(headWidth)"
        let operands = {
            (benchTensor([1, queries, width]), benchTensor([1, keys, 2 * width]), Tensor(filledWith: 0.5, [1, keys]))
        }
        return [
            OperationCase("attention", "forward", shape, tokens: queries, .flops(flops)) { pool in
                let (q, kv, bias) = operands()
                return {
                    _ = attention.forward(
                        q: Attention.Operand(q), k: Attention.Operand(kv), v: Attention.Operand(kv, column: width), keyBias: bias, pool: pool)
                }
            },
            OperationCase("attention", "backward", shape, tokens: queries, .flops(2 * flops)) { pool in
                let (q, kv, bias) = operands()
                let (dy, dq, dkv) = (benchTensor([1, queries, width]), Tensor(zeros: q.shape), Tensor(zeros: kv.shape))
                let (k, v) = (Attention.Operand(kv), Attention.Operand(kv, column: width))
                let result = attention.forward(q: Attention.Operand(q), k: k, v: v, keyBias: bias, pool: pool)
                return {
                    attention.backward(
                        dy, q: Attention.Operand(q), k: k, v: v, result: result, dq: Attention.Operand(dq),
                        dk: Attention.Operand(dkv), dv: Attention.Operand(dkv, column: width), pool: pool)
                }
            },
        ]
    }

    static func scores(queries: Int, keys: Int, width: Int) -> [OperationCase] {
        let flops = 2 * Double(queries) * Double(keys) * Double(width)
        func pass(_ pool: ThreadPool, backward: Bool) -> () -> Void {
            let (q, k) = (benchTensor([1, queries, width]), benchTensor([1, keys, width]))
            let seed = benchTensor([1, queries, keys])
            return {
                let graph = Graph(weights: Tensor(zeros: [1]), gradients: Tensor(zeros: [1]), pool: pool)
                let scores = graph.input(q).scores(against: graph.input(k), factor: 1)
                if backward { graph.backward(from: scores, seed: seed) }
            }
        }
        return [
            OperationCase("scores", "forward", "on \(keys), width \(width)", tokens: queries, .flops(flops), isInStep: false) {
                pass($0, backward: false)
            },
            OperationCase("scores", "forward + backward", "on \(keys), width \(width)", tokens: queries, .flops(3 * flops)) {
                pass($0, backward: true)
            },
        ]
    }

    /// The merge metric, the matching and the merge of features, sizes and owners; backward, the features' gradient. The rate counts the
    /// matching's products; features are rows of `width`.
    static func merging(tokens: Int, merges: Int, keyWidth: Int, width: Int) -> [OperationCase] {
        let flops = 2 * Double((tokens + 1) / 2 * (tokens / 2)) * Double(keyWidth)
        func pass(_ pool: ThreadPool, backward: Bool) -> () -> Void {
            let (x, projections) = (benchTensor([1, tokens, width]), benchTensor([1, tokens, 3 * width]))
            let seed = benchTensor([1, tokens - merges, width])
            let (attention, _) = ParameterLayout.build { SelfAttention($0, width: width, heads: width / keyWidth) }
            return {
                let graph = Graph(weights: Tensor(zeros: [1]), gradients: Tensor(zeros: [1]), pool: pool)
                var sequence = TokenSequence(graph.input(x))
                sequence.merge(merges, metric: attention.metric(projections))
                if backward { graph.backward(from: sequence.tokens, seed: seed) }
            }
        }
        let shape = "\(merges) merged, keys of \(keyWidth)"
        return [
            OperationCase("token merging", "forward", shape, tokens: tokens, .flops(flops), isInStep: false) { pass($0, backward: false) },
            OperationCase("token merging", "forward + backward", shape, tokens: tokens, .flops(flops)) { pass($0, backward: true) },
        ]
    }

    /// Both entropies of one batch of tokens. The rate counts the product that the mean distribution over all codes takes in factorised form, and
    /// backward the two products of its gradients.
    static func codeEntropy(tokens: Int, bits: Int) -> [OperationCase] {
        let flops = 2 * Double(tokens) * Double(1 << bits)
        func pass(_ pool: ThreadPool, backward: Bool) -> () -> Void {
            // At the scale of 1/100 the code distributions are soft, as in training: nothing saturates.
            let y = benchTensor([1, tokens, bits])
            y.scaleInPlace(by: 0.01, pool: pool)
            let quantizer = LookupFreeQuantizer(bits: bits)
            return {
                let graph = Graph(weights: Tensor(zeros: [1]), gradients: Tensor(zeros: [1]), pool: pool)
                let variable = graph.input(y)
                let total = Variable.weightedSum([(1, quantizer.entropy.perSample(variable)), (-1, quantizer.entropy.batch(variable))])
                if backward { graph.backward(from: total) }
            }
        }
        return [
            OperationCase("code entropy", "forward", "\(bits) bits", tokens: tokens, .flops(flops), isInStep: false) { pass($0, backward: false) },
            OperationCase("code entropy", "forward + backward", "\(bits) bits", tokens: tokens, .flops(3 * flops)) { pass($0, backward: true) },
        ]
    }
}
