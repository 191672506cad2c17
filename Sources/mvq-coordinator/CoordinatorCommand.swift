import ArgumentParser
import CommandSupport
import Foundation
import Telemetry
import Training
import Transport

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
              mvq-worker --connect tcp://127.0.0.1:7700

            Workers on other machines need keys (see 'mvq keygen --help'):

              mvq-coordinator … --listen tcp://0.0.0.0:7700 --keys keys/coordinator
              mvq-worker --connect tcp://head:7700 --keys mvq-keys

            The same command continues an interrupted run. The result does not depend, to the bit, on how many workers there are or how often
            they come and go. DIR/train/<class>/*.JPEG is the layout of --data; 'mvq dataset synthesize' makes some if you have none.

            Exit codes: 0 done, 64 usage, 65 bad data, 66 no valid checkpoint, 67 replay mismatch, or samples not seen exactly once, 69 no
            workers in time or address not available, 73 run held by another coordinator, 74 disk, 75 stopped (start again to continue), 76 a loss is not a finite number, 77 keys
            that are missing or that others can read, 78 configuration.
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

    @Option(help: ArgumentHelp("The coordinator's folder of 'mvq keygen': only workers of its authorized_keys are admitted, and everything is encrypted. Needed for any --listen but loopback addresses.", valueName: "dir"))
    var keys: String?

    @Flag(help: "Listen on any address without keys: whoever reaches it can take part and read everything.")
    var insecure = false

    @Option(help: ArgumentHelp("Where to start: auto (newest valid checkpoint), never (a new run only), or a checkpoint file; a new --run may start from another run's with other settings, the model's excepted.", valueName: "auto|never|file"))
    var resume = "auto"

    @Option(help: ArgumentHelp("Workers to wait for before the first step.", valueName: "count"))
    var minWorkers = 1

    @Option(help: ArgumentHelp("Threads of the optimizer step, and as many more for evaluations.", valueName: "count"))
    var threads = 1

    @Option(help: ArgumentHelp("Give up (exit code 69) after so long without any worker.", valueName: "seconds"))
    var gatherSeconds = 600.0

    @Option(help: ArgumentHelp("Override a key of the configuration, e.g. training.steps=200; may be repeated.", valueName: "key=value"))
    var set: [ConfigurationOverride] = []

    func validate() throws {
        guard minWorkers >= 1 else { throw ValidationError("--min-workers is \(minWorkers); it must be 1 or more") }
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
        guard keys == nil || !insecure else { throw ValidationError("--keys and --insecure exclude each other; leave one out") }
        guard (0.001...1e9).contains(gatherSeconds) else {
            throw ValidationError("--gather-seconds is \(gatherSeconds); it must be more than 0, and at most 1e9")
        }
    }

    func run() throws {
        let security: CoordinatorSecurity =
            if let keys { .keys(try CoordinatorKeys(folder: keys)) } else if insecure { .insecure } else { .loopbackOnly }
        try security.check(listen: listen)
        let configuration = try RunConfiguration(file: config, overrides: set.map { ($0.key, $0.value) })
        let start: CoordinatorOptions.Resume =
            switch resume {
            case "auto": .auto
            case "never": .never
            default: .file(resume)
            }
        let options = CoordinatorOptions(
            data: data, run: runDirectory, listen: listen, resume: start, minimumWorkers: minWorkers, threads: threads, gatherSeconds: gatherSeconds,
            security: security)
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
