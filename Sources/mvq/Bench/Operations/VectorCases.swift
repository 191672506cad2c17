import Kernels
import NeuralNet
import TensorCore

extension OperationCase {
    /// What is done to whole vectors of parameters, on memory in huge pages. A copy counts 8 bytes an element, read and written; the same for
    /// everything else: what is read and what is written, once.
    static func vectors(count: Int) -> [OperationCase] {
        let shape = "\(count / 1_000_000) M floats"
        let memory = Vectors(count: count)
        func copy(_ form: String, tile: Int, _ body: @escaping (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void)
            -> OperationCase
        {
            OperationCase(copyName, form, shape, .bytes(8 * Double(count)), isInStep: false) { pool in
                let (from, to) = (memory.gradient, memory.state.ema)
                return {
                    pool.parallel((count + tile - 1) / tile) { index in
                        body(from.pointer + index * tile, to.pointer + index * tile, min(tile, count - index * tile))
                    }
                }
            }
        }
        return [
            copy("tiles of 256 KiB", tile: 1 << 16) { $1.update(from: $0, count: $2) },
            copy("tiles of 16 MiB", tile: 1 << 22) { $1.update(from: $0, count: $2) },
            copy("past the caches", tile: 1 << 16) { copyStreaming($0, into: $1, count: $2) },
            OperationCase("AdamW + average", "update", shape, .bytes(36 * Double(count)), isInStep: false) { pool in
                let optimizer = AdamW(beta1: 0.5, beta2: 0.9, emaDecay: 0.999)
                return { optimizer.update(&memory.state, gradient: memory.gradient, learningRate: 1e-4, pool: pool) }
            },
            OperationCase("gradient accumulation", "a += b", shape, .bytes(12 * Double(count)), isInStep: false) { pool in
                let (sum, gradient) = (memory.state.ema, memory.gradient)
                return { sum.accumulateInPlace(gradient, pool: pool) }
            },
        ]
    }

    /// The yardstick of memory-bound operations.
    static let copyName = "copy"

    /// Whether it works on whole vectors of parameters, and is timed in turns with the copy.
    var isVector: Bool { [OperationCase.copyName, "AdamW + average", "gradient accumulation"].contains(name) }
}

/// The vectors that all of these share: five of them fill gigabytes, so they are made when the first is wanted.
private final class Vectors {
    private let count: Int
    lazy var gradient = benchTensor([count])
    lazy var state = AdamW.State(weights: benchTensor([count]))

    init(count: Int) {
        precondition(count % 16 == 0, "\(count) floats do not fill cache lines")
        self.count = count
    }
}
