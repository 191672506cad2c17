import ArgumentParser
import CommandSupport
import Foundation
import MergeVQ
import TensorCore
import Training

/// `mvq bench ops`: the operations that a training step consists of.
struct BenchOps: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ops", abstract: "Times every operation of a training step at the model's real shapes, for one image.",
        discussion: """
            Without --config: all operations of the three full-size variants at their longest sequences, and the optimizer over 150 million
            parameters; times are per call. With --config: the operations of that configuration at all the token counts its merging leads to; times
            are per step and image (calls × time of a call), the share is that of the sum of all listed operations, and rows with several token
            counts are sums over them. What a step of the tokenizer does besides (small sums, signs, owner maps, memory) is not listed: 'mvq bench
            step' times it whole. Perceptual network, discriminator and alignment are in neither.

            GFLOP/s are algorithmic: the operations of the definition over the time, whatever the algorithm; backward attention counts twice the
            forward pass. GB/s count the bytes that must move at least once: every operand read, every result written, 4 bytes an element; AdamW
            reads gradient, weight, both moments and average and writes four of them, 36 bytes a parameter. The copy reads and writes 8 bytes an
            element, in the same memory with the same threads, in turns with what is compared; '% of copy' is of its fastest form.

              mvq bench ops --only convolution --threads 1
              mvq bench ops --config configs/tokenizer-gr.yaml
            """)

    @Option(help: ArgumentHelp("Configuration whose step to take apart.", valueName: "file")) var config: String?
    @Option(help: ArgumentHelp("Only operations whose name contains this, e.g. attention, norm, AdamW.", valueName: "name")) var only: String?
    @Option(help: "Threads that compute.") var threads = defaultThreads
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        try validateCount("--threads", threads)
        try validateCount("--runs", runs)
    }

    func run() throws {
        let configuration = try config.map { try RunConfiguration(file: $0) }
        let calls = try chosenCalls(configuration)
        let pool = ThreadPool(threads: threads)
        let counter = ProgressCounter("timing operation", after: 2)
        var peak = SgemmPeak(pool: pool)
        peak.measure()
        let (vectors, others) = (calls.filter(\.operation.isVector), calls.filter { !$0.operation.isVector })
        let timings = others.enumerated().map { i, call in
            counter.update(i, of: others.count, call.operation.label)
            return Timing.measure(runs: runs, call.operation.prepare(pool))
        }
        peak.measure()
        let vectorTimings = Timing.measureInTurns(runs: runs, vectors.map { $0.operation.prepare(pool) })
        counter.finish()
        let timed = zip(others + vectors, timings + vectorTimings).map { (call: $0, timing: $1) }
        let report = OperationReport(
            config: config, numericClass: NumericEnvironment.numericClass, threads: threads, runs: runs, sgemmPeakGflops: peak.gflops,
            operations: OperationRow.rows(timed, isStep: configuration != nil))
        if json { try printJSON(report) } else { print(report.text) }
    }

    private func chosenCalls(_ configuration: RunConfiguration?) throws -> [OperationRow.Call] {
        let all = configuration.map(OperationRow.calls) ?? OperationCase.catalogue.map { OperationRow.Call(part: nil, count: 1, operation: $0) }
        let chosen = all.filter { only.map($0.operation.isNamed) ?? true }
        guard !chosen.isEmpty else {
            let names = Set(all.map(\.operation.name)).sorted().joined(separator: ", ")
            throw ValidationError("--only \(only ?? ""): there is no such operation; there are \(names)")
        }
        guard chosen.contains(where: \.operation.isVector) else { return chosen }
        // The copy that they are compared with belongs to the same run.
        return all.filter { $0.operation.name == OperationCase.copyName } + chosen.filter { $0.operation.name != OperationCase.copyName }
    }
}

extension OperationCase {
    /// E.g. `attention backward`.
    var label: String { "\(name) \(direction)" }

    func isNamed(_ text: String) -> Bool { label.containsIgnoringCase(text) }
}
