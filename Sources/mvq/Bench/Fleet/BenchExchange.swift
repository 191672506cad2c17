import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import Training
import Transport

/// `mvq bench exchange`: what a step costs besides computing.
struct BenchExchange: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exchange", abstract: "Times the exchange of a step at full size: the workers' gradients in, the new weights out.",
        discussion: """
            A real coordinator in this process, real workers in processes of their own, loopback between them; only the computation is a sleep, and
            the new weights are the sum of the gradients itself, so that an exchange does what an all-reduce does. The workers check the sum. The
            exchange of a step is the time from one commit to the next without the sleep. Of the gradient path alone:

              mvq bench exchange --workers 1 --weights-bytes 4096

            of the coordinator's own work in a step:

              mvq bench exchange --bytes 4096 --seconds-per-step 0 --steps 200

            and of what encryption costs, with keys made for this one run:

              mvq bench exchange --curve
            """)

    @Option(help: "Workers; a power of two, so that each has one slot.") var workers = 2
    @Option(help: "Bytes of weights and of gradient.") var bytes = 600_000_000
    @Option(help: "Bytes of weights, if other than of the gradient; at most as many.") var weightsBytes: Int?
    @Option(help: "Steps that count; two more come before them.") var steps = 5
    @Option(help: "What a worker's computation takes.") var secondsPerStep = 0.5
    @Option(help: "Bytes of a chunk.") var chunkBytes = 4 << 20
    @Option(help: "Bytes on the way to or from one worker.") var creditBytes = 64 << 20
    @Flag(help: "Encrypt, as between machines: coordinator and workers get keys for this run.") var curve = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--workers", workers), ("--steps", steps)] { try validateCount(name, value) }
        guard workers & (workers - 1) == 0 else { throw ValidationError("--workers is \(workers); it must be a power of two") }
        let weights = weightsBytes ?? bytes
        guard bytes >= 4, bytes % 4 == 0, (4...bytes).contains(weights), weights % 4 == 0 else {
            throw ValidationError("--bytes is \(bytes) and --weights-bytes \(weights); both must be multiples of 4, and the second at most the first")
        }
        guard (0...1000).contains(secondsPerStep) else { throw ValidationError("--seconds-per-step is \(secondsPerStep); it must be 0 to 1000") }
        guard (4096...ControlMessage.largestChunk).contains(chunkBytes), chunkBytes % 4 == 0, creditBytes >= chunkBytes else {
            throw ValidationError("--chunk-bytes is \(chunkBytes); it must be 4096 to \(ControlMessage.largestChunk), and --credit-bytes at least that")
        }
    }

    func run() throws {
        let task = ExchangeTask(
            weightsBytes: weightsBytes ?? bytes, gradientBytes: bytes, slots: workers, computeSeconds: secondsPerStep, chunkBytes: chunkBytes)
        let delegate = ExchangeCoordinator(task, steps: ExchangeTask.warmUp + steps)
        let keys = curve ? try BenchKeys(workers: workers) : nil
        // Both ends read their files later than here.
        defer { withExtendedLifetime(keys) {} }
        let loop = try CoordinatorLoop(
            configuration: task.coordinator(generation: 1, workers: workers, creditBytes: creditBytes), plan: task.plan(step: 0),
            listen: "tcp://127.0.0.1:*", bulkListen: "tcp://127.0.0.1:*", security: keys?.coordinator ?? .loopbackOnly, delegate: delegate)
        let children = try (0..<workers).map { number in
            try BenchProcess(["bench", "exchange-worker", "--connect", loop.endpoint] + (keys.map { ["--keys", $0.folder(ofWorker: number)] } ?? []))
        }
        let end = loop.run()
        let workerCPU = children.compactMap { $0.next(Double.self) }.reduce(0, +)
        for child in children { _ = child.wait() }
        guard end.exitCode == ExitCode.done else { throw end }
        let result = ExchangeResult(
            task: task, workers: workers, isEncrypted: curve, creditBytes: creditBytes, moments: delegate.times, workerCPU: workerCPU, coordinatorPeak: peakResidentBytes())
        if json { try printJSON(result) } else { print(result.text) }
    }
}

/// One worker of `mvq bench exchange`.
struct ExchangeWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "exchange-worker", abstract: "A worker of 'mvq bench exchange'.", shouldDisplay: false)

    @Option var connect: String
    @Option var keys: String?

    func run() throws {
        BenchProcess.endWithParent()
        let worker = ExchangeWorker()
        let security: WorkerSecurity = try keys.map { .keys(try WorkerKeys(folder: $0)) } ?? .loopbackOnly
        let loop = try WorkerLoop(address: connect, hello: ExchangeTask.hello(number: 0), security: security, delegate: worker)
        let end = loop.run()
        BenchProcess.report(ProcessUsage.cpuSeconds - worker.cpuSecondsBefore)
        Launch.exit(with: end)
    }
}

extension ExchangeTask {
    static let runID = RunID(high: 0xbe7c, low: 0xbe7c)

    /// A fleet for this task, with the defaults of a real one.
    func coordinator(generation: UInt64, workers: Int, creditBytes: Int) -> CoordinatorConfiguration {
        var configuration = CoordinatorConfiguration(
            runID: Self.runID, generation: generation, buildVersion: BuildVersion.current, numericClass: "none", configuration: text,
            datasetFingerprint: "none", sampleCount: 1, weightsBytes: weightsBytes, gradientBytes: gradientBytes)
        configuration.minimumWorkers = workers
        configuration.chunkBytes = chunkBytes
        configuration.creditBytes = creditBytes
        return configuration
    }

    static func hello(number: Int) -> Hello {
        Hello(
            buildVersion: BuildVersion.current, numericClass: "none", hostName: "bench", processID: Int(getpid()),
            process: SessionID(high: .random(in: 0...UInt64.max), low: .random(in: 0...UInt64.max)), threads: 1, datasetFingerprint: "none")
    }
}
