import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import Synchronization
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

            SIGTERM, SIGINT and SIGUSR1 end the run within --grace seconds: the step at hand is finished if there is time for it and for its
            checkpoint, otherwise dropped. A second signal ends it at once. Nothing is lost either way: the journal has every committed step.

            A trained tokenizer's file of tokens ('mvq tokenize --help') is made by a fleet of the same workers; the same command continues:

              mvq-coordinator --task tokenize --checkpoint runs/first --data imagenet --out tokens.h5 --run runs/tokens

            So is a folder of generated images ('mvq generate --help'), the same images, byte by byte, that one machine makes; how codes are drawn
            is said with --set generation.guidance, .temperature, .top_k, .top_p, .guidance_schedule, .kept_tokens (MergeAR), .steps (RandAR):

              mvq-coordinator --task generate --checkpoint runs/llamagen --tokenizer runs/first --class all --count 50 --out images --run runs/images

            Exit codes: 0 done, 64 usage, 65 bad data, 66 no valid checkpoint, 67 replay mismatch, samples not seen exactly once, or machines that disagree, 69 no
            workers in time or address not available, 73 run held by another coordinator, 74 disk, 75 (or --requeue-exit-code) stopped (start again to continue), 76 a loss is not a finite number, 77 keys
            that are missing or that others can read, 78 configuration.
            """,
        version: BuildVersion.current)

    @Option(help: ArgumentHelp("What the fleet does: train what --config describes, tokenize images, or generate images of classes.", valueName: "train|tokenize|generate"))
    var task = FleetTask.train

    @Option(help: ArgumentHelp("Training: the run's configuration, a YAML file.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("ImageNet-layout folder of the images; for generators, the file of tokens.", valueName: "path"))
    var data: String?

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

    @Option(help: ArgumentHelp("A worker that is silent, or makes no progress, for so long is given up and its work goes to others.", valueName: "seconds"))
    var livenessSeconds = 10.0

    @Option(help: ArgumentHelp("Largest piece of weights and gradients on the wire, 1 to 4096.", valueName: "KiB"))
    var chunkKib = 4096

    @Option(help: ArgumentHelp("How many of all steps are computed twice, by different workers, to find machines that compute wrongly: 0 to 1.", valueName: "fraction"))
    var auditShare = 0.01

    @Option(help: ArgumentHelp("What the cluster leaves between SIGTERM and SIGKILL: Slurm's KillWait, Kubernetes' terminationGracePeriodSeconds.", valueName: "seconds"))
    var grace = 30.0

    @Option(help: ArgumentHelp("Exit code of a stopped run, where the cluster wants another one than 75 to requeue it.", valueName: "code"))
    var requeueExitCode: Int32 = ExitCode.preempted

    @Option(help: ArgumentHelp("Override a key of the configuration, e.g. training.steps=200, or tokens.images_per_slot=64; may be repeated.", valueName: "key=value"))
    var set: [ConfigurationOverride] = []

    @Option(help: ArgumentHelp("Tokenising: the tokenizer's checkpoint file, or the folder of its run. Generating: the generator's.", valueName: "path"))
    var checkpoint: String?

    @Option(help: ArgumentHelp("Tokenising: the file to write. Generating: the folder for the images, CLASS-NUMBER.png.", valueName: "path"))
    var out: String?

    @Option(help: ArgumentHelp("Generating: the tokenizer whose tokens the generator learnt.", valueName: "path"))
    var tokenizer: String?

    @Option(name: .customLong("class"), help: ArgumentHelp("Generating: numbers or names of classes with commas between them, or 'all'.", valueName: "class,…"))
    var classes = ClassChoice("all")

    @Option(help: ArgumentHelp("Generating: images of each class.", valueName: "count"))
    var count = 50

    @OptionGroup var tokens: TokenizationArguments

    func validate() throws {
        switch task {
        case .train: guard config != nil else { throw ValidationError("--config is missing: give the run's configuration, e.g. configs/tokenizer-gr-tiny.yaml") }
        case .generate:
            guard checkpoint != nil, tokenizer != nil, out != nil else {
                throw ValidationError("--task generate needs --checkpoint, --tokenizer and --out")
            }
            guard config == nil, data == nil else {
                throw ValidationError("--task generate needs nothing but its two checkpoints; leave --config and --data out")
            }
            guard ["auto", "never"].contains(resume) else { throw ValidationError("--task generate continues by itself; --resume is auto or never") }
            guard count >= 1 else { throw ValidationError("--count is \(count); it must be 1 or more") }
        case .tokenize:
            guard checkpoint != nil, out != nil else { throw ValidationError("--task tokenize needs --checkpoint and --out") }
            guard config == nil else { throw ValidationError("--task tokenize takes the configuration of its --checkpoint; leave --config out") }
            guard ["auto", "never"].contains(resume) else { throw ValidationError("--task tokenize continues by itself; --resume is auto or never") }
        }
        guard data != nil || task == .generate else { throw ValidationError("--data is missing: give the folder of images, or the file of tokens") }
        guard minWorkers >= 1 else { throw ValidationError("--min-workers is \(minWorkers); it must be 1 or more") }
        guard threads >= 1 else { throw ValidationError("--threads is \(threads); it must be 1 or more") }
        guard keys == nil || !insecure else { throw ValidationError("--keys and --insecure exclude each other; leave one out") }
        guard (0.001...1e9).contains(gatherSeconds) else {
            throw ValidationError("--gather-seconds is \(gatherSeconds); it must be more than 0, and at most 1e9")
        }
        guard (1...3600).contains(livenessSeconds) else {
            throw ValidationError("--liveness-seconds is \(livenessSeconds); it must be 1 to 3600")
        }
        guard (1...4096).contains(chunkKib) else { throw ValidationError("--chunk-kib is \(chunkKib); it must be 1 to 4096") }
        guard (0...1).contains(auditShare) else { throw ValidationError("--audit-share is \(auditShare); it must be 0 to 1") }
        guard (0.1...86_400).contains(grace) else { throw ValidationError("--grace is \(grace); it must be 0.1 or more, and at most 86400") }
        guard (1...125).contains(requeueExitCode), requeueExitCode == ExitCode.preempted || !(64...78).contains(requeueExitCode) else {
            throw ValidationError("--requeue-exit-code is \(requeueExitCode); give 1 to 125 but none of the codes 64 to 78 that mean something else")
        }
    }

    func run() throws {
        try OpenFileLimit.require()
        let security: CoordinatorSecurity =
            if let keys { .keys(try CoordinatorKeys(folder: keys)) } else if insecure { .insecure } else { .loopbackOnly }
        try security.check(listen: listen)
        let start: CoordinatorOptions.Resume =
            switch resume {
            case "auto": .auto
            case "never": .never
            default: .file(resume)
            }
        let options = CoordinatorOptions(
            data: data ?? "", run: runDirectory, listen: listen, resume: start, minimumWorkers: minWorkers, threads: threads, gatherSeconds: gatherSeconds,
            livenessSeconds: livenessSeconds, chunkBytes: chunkKib << 10, graceSeconds: grace, auditShare: auditShare, security: security)
        let running = Mutex<(any HeadRun)?>(nil)
        // Before the run is taken, which may take long: an end then is as good as one later.
        let signals = TerminationSignals { [requeueExitCode] times in
            @Sendable func leave(_ text: String) -> Never { Launch.exit(with: FleetExit(exitCode: requeueExitCode, text: text)) }
            guard times == 1 else { leave("stopped at once; the same command continues the run from its newest checkpoint") }
            guard let coordinator = running.withLock({ $0 }) else { leave("stopped before it began; the same command starts the run") }
            coordinator.requestStop()
            // Whatever is being done then, a checkpoint perhaps: it is safe to cut off at any point.
            let seconds = coordinator.graceSeconds
            DispatchQueue.global().asyncAfter(deadline: .now() + seconds) {
                leave("stopped after \(seconds) s, not all was written by then; the same command continues the run from its newest checkpoint")
            }
        }
        let end = try withExtendedLifetime(signals) {
            let coordinator = try makeRun(options)
            running.withLock { $0 = coordinator }
            return coordinator.run()
        }
        Launch.exit(with: end.exitCode == ExitCode.preempted ? FleetExit(exitCode: requeueExitCode, text: end.text) : end)
    }

    private func makeRun(_ options: CoordinatorOptions) throws -> any HeadRun {
        let overrides = set.map { ($0.key, $0.value) }
        if task == .generate, let checkpoint, let tokenizer, let out {
            let generator = try GeneratorCheckpoint(path: checkpoint, weights: tokens.weights)
            let decoder = try TokenizerCheckpoint(path: tokenizer, weights: .ema)
            for warning in [generator.warning, decoder.warning] { if let warning { StandardError.write("mvq-coordinator: \(warning)\n") } }
            let labels = try classes.labels(
                classes: generator.configuration.generatorConfiguration.classes, names: generator.classNames, generator: generator.file)
            let job = try GenerateJob(
                generator, tokenizer: decoder, labels: labels, count: count, seed: tokens.seed, to: out, overrides: overrides)
            return try MapRun(job, options: options, progress: .standardError())
        }
        if task == .tokenize, let checkpoint, let data, let out {
            let trained = try TokenizerCheckpoint(path: checkpoint, weights: tokens.weights)
            if let warning = trained.warning { StandardError.write("mvq-coordinator: \(warning)\n") }
            let job = try TokenizeJob(trained, data: data, settings: tokens.settings(for: trained), to: out, overrides: overrides)
            return try MapRun(job, options: options, progress: .standardError())
        }
        let configuration = try RunConfiguration(file: config ?? "", overrides: overrides)
        guard configuration.task != .tokenize, configuration.task != .generate else {
            throw ConfigurationError(
                config ?? "", "is of a fleet that trains nothing; start it with --task \(configuration.task.rawValue) and --checkpoint instead of --config")
        }
        return try CoordinatorRun(configuration: configuration, options: options, progress: .standardError())
    }
}

/// What a fleet is for.
enum FleetTask: String, ExpressibleByArgument, CaseIterable {
    case train, tokenize, generate
}
