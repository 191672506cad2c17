import ArgumentParser
import CommandSupport
import Foundation
import Telemetry
import Training

@main
struct Main {
    static func main() { Launch.main(CoordinatorCommand.self) }
}

/// `mvq-coordinator`: the head of a training fleet.
struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mvq-coordinator",
        abstract: "Leads a training run: plans steps, adds up the workers' gradients, updates the weights, writes checkpoints.",
        discussion: """
            Start it on the head node, then any number of workers, anywhere:

              mvq-coordinator --config configs/tokenizer-gr-tiny.yaml --data imagenet --run runs/first
              mvq-worker --connect tcp://head:7700

            The same command continues an interrupted run. The result does not depend, to the bit, on how many workers there are or how often
            they come and go. DIR/train/<class>/*.JPEG is the layout of --data; 'mvq dataset synthesize' makes some if you have none.

            Exit codes: 0 done, 64 usage, 65 bad data, 66 no valid checkpoint, 67 replay mismatch, or samples not seen exactly once, 69 no
            workers in time or address not available, 73 run held by another coordinator, 74 disk, 75 stopped (start again to continue), 76 a loss is not a finite number, 78 configuration.
            """,
        version: BuildVersion.current)

    @Option(help: ArgumentHelp("The run's configuration, a YAML file.", valueName: "file"))
    var config: String

    @Option(help: ArgumentHelp("ImageNet-layout folder of the training images.", valueName: "dir"))
    var data: String

    @Option(name: .customLong("run"), help: ArgumentHelp("Folder of the run: journal, metrics, checkpoints. Made if absent, continued if it holds a run.", valueName: "dir"))
    var runDirectory: String

    @Option(help: ArgumentHelp("Address for workers; bulk data use the next port. Port * takes a free one (written to DIR/endpoint).", valueName: "address"))
    var listen = "tcp://127.0.0.1:7700"

    @Option(help: ArgumentHelp("Where to start: auto (newest valid checkpoint), never (a new run only), or a checkpoint file; a new --run may start from another run's with other settings, the model's excepted.", valueName: "auto|never|file"))
    var resume = "auto"

    @Option(help: ArgumentHelp("Workers to wait for before the first step.", valueName: "count"))
    var minWorkers = 1

    @Option(help: ArgumentHelp("Threads of the optimizer step, and as many more for evaluations.", valueName: "count"))
    var threads = 1

    @Option(help: ArgumentHelp("Give up (exit code 69) after so long without any worker.", valueName: "seconds"))
    var gatherSeconds = 600.0

    @Option(help: ArgumentHelp("A worker that is silent, or makes no progress, for so long is given up and its work goes to others.", valueName: "seconds"))
    var livenessSeconds = 10.0

    @Option(help: ArgumentHelp("Largest piece of weights and gradients on the wire, 1 to 4096.", valueName: "KiB"))
    var chunkKib = 4096

    @Option(help: ArgumentHelp("Override a key of the configuration, e.g. training.steps=200; may be repeated.", valueName: "key=value"))
    var set: [ConfigurationOverride] = []

    func validate() throws {
        guard minWorkers >= 1 else { throw ValidationError("--min-workers is \(minWorkers); it must be 1 or more") }
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
        guard (0.001...1e9).contains(gatherSeconds) else {
            throw ValidationError("--gather-seconds is \(gatherSeconds); it must be more than 0, and at most 1e9")
        }
        guard (1...3600).contains(livenessSeconds) else {
            throw ValidationError("--liveness-seconds is \(livenessSeconds); it must be 1 to 3600")
        }
        guard (1...4096).contains(chunkKib) else { throw ValidationError("--chunk-kib is \(chunkKib); it must be 1 to 4096") }
    }

    func run() throws {
        let configuration = try RunConfiguration(file: config, overrides: set.map { ($0.key, $0.value) })
        let start: CoordinatorOptions.Resume =
            switch resume {
            case "auto": .auto
            case "never": .never
            default: .file(resume)
            }
        let options = CoordinatorOptions(
            data: data, run: runDirectory, listen: listen, resume: start, minimumWorkers: minWorkers, threads: threads, gatherSeconds: gatherSeconds,
            livenessSeconds: livenessSeconds, chunkBytes: chunkKib << 10)
        let coordinator = try CoordinatorRun(
            configuration: configuration, options: options, progress: .standardError())
        let signals = TerminationSignals { times in
            // The second signal skips what is optional; publishing a checkpoint is safe to cut off at any point.
            if times > 1 { _exit(75) }
            coordinator.requestStop()
        }
        let end = withExtendedLifetime(signals) { coordinator.run() }
        Launch.exit(with: end)
    }
}
