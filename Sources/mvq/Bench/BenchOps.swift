import ArgumentParser
import CommandSupport
import Foundation
import NeuralNet
import TensorCore

/// `mvq bench ops`: single operations at the model's shapes.
struct BenchOps: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ops", abstract: "Times convolutions at the shapes of the full-size model.",
        discussion: "GFLOP/s are algorithmic: the operations of the definition over the time, whatever the algorithm.")

    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Print JSON.") var json = false

    struct Row: Encodable {
        let operation: String
        let shape: String
        let seconds: Timing
        let gflops: Double
    }

    func run() throws {
        let pool = ThreadPool(threads: threads)
        var rows: [Row] = []
        for (inputs, outputs, side, stride) in [
            (3, 64, 256, 1), (64, 64, 256, 1), (64, 64, 128, 1), (128, 128, 128, 1), (64, 128, 64, 1), (128, 128, 64, 1), (256, 256, 64, 1),
            (256, 256, 32, 1), (512, 512, 32, 1), (512, 512, 16, 1), (512, 2048, 16, 1), (512, 2048, 32, 1), (64, 64, 256, 2), (64, 3, 256, 1),
        ] {
            let convolution = Convolution(stride: stride, padding: 1)
            func random(_ shape: Shape) -> Tensor { Tensor((0..<shape.count).map { Float($0 % 17) * 0.1 - 0.8 }, shape) }
            let x = random([1, side, side, inputs])
            let weight = random([outputs, 3, 3, inputs])
            let dy = random([1, side / stride, side / stride, outputs])
            let sink = Tensor(zeros: weight.shape)
            let operations = 2.0 * 9 * Double(inputs * outputs) * Double(side / stride * side / stride)
            func add(_ name: String, _ work: () -> Void) {
                let timing = Timing.measure(runs: runs, work)
                rows.append(
                    Row(
                        operation: name, shape: "\(inputs)→\(outputs) @\(side)²" + (stride == 1 ? "" : " /\(stride)"), seconds: timing,
                        gflops: operations / timing.minimum / 1e9))
            }
            add("convolution") { _ = convolution.forward(x, weight: weight, bias: nil, pool: pool) }
            add("data gradient") { _ = convolution.inputGradient(dy, weight: weight, shape: x.shape, pool: pool) }
            add("weight gradient") { convolution.weightGradient(dy, input: x, into: sink, beta: 0, pool: pool) }
        }
        if json {
            try printJSON(rows)
        } else {
            print("\(threads) threads; ms minimum / median; algorithmic GFLOP/s")
            for row in rows {
                let label = row.operation.padding(toLength: 16, withPad: " ", startingAt: 0) + row.shape.padding(toLength: 20, withPad: " ", startingAt: 0)
                print(label + String(format: "%9.2f /%9.2f %9.0f", row.seconds.minimum * 1e3, row.seconds.median * 1e3, row.gflops))
            }
        }
    }
}
