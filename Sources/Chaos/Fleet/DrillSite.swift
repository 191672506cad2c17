import Foundation
import ImageData
import TensorCore
import Training

/// Where drills take place: a folder with a small dataset, the commands beside this one, and undisturbed runs to compare with.
///
/// Not `Sendable`: one drill at a time uses it, since each fleet takes all cores.
public final class DrillSite {
    /// Settings that runs may have; each has an undisturbed run of its own.
    enum Variant: String {
        /// 24 steps of 8 slots, an image each; epochs of 10 steps; a checkpoint every 4 steps.
        case small
        /// 15 steps of 64 slots, for many workers.
        case wide
    }

    /// Steps of a `small` run.
    static let steps = 24

    let folder: String
    /// Images: 80 of 2 classes.
    let data: String
    /// The folder of mvq-coordinator and mvq-worker.
    let programs: String
    private var references: [Variant: RunFolder] = [:]
    private var count = 0
    private var port: Int

    /// - Parameters:
    ///   - folder: an absent or empty folder.
    ///   - programs: the folder of the built commands.
    /// - Throws: `ChaosFailure` if a command is missing there; `DatasetError`.
    public init(folder: String, programs: String) throws {
        for name in ["mvq-coordinator", "mvq-worker"] where !FileManager.default.isExecutableFile(atPath: "\(programs)/\(name)") {
            throw ChaosFailure("\(programs)/\(name): not there; build it: swift build -c release")
        }
        self.folder = folder
        self.programs = programs
        data = "\(folder)/data"
        // Below the range from which the system picks ports for outgoing connections.
        port = 12_000 + Int(ProcessInfo.processInfo.processIdentifier) % 4000 * 2
        try DatasetSynthesizer(DatasetSynthesizer.Settings(classes: 2, perClass: 40, validationPerClass: 1, size: 32, seed: 5)).write(to: data)
    }

    /// A tokenizer of 16 × 16 pixels, which trains a step in some milliseconds.
    static func configuration(_ variant: Variant) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.model.imageSize = 16
        configuration.model.channels = 8
        configuration.model.channelMultipliers = [1, 2]
        configuration.model.groups = 4
        configuration.model.encoderHeads = 2
        configuration.model.decoderHeads = 2
        configuration.model.attentionBlocks = 2
        configuration.model.bits = 5
        configuration.model.sourceRecovery.width = 16
        configuration.model.sourceRecovery.heads = 2
        configuration.evaluation.everySteps = 0
        configuration.checkpoints.everySteps = 4
        switch variant {
        case .small:
            configuration.training.steps = steps
            configuration.training.globalBatch = 8
            configuration.training.slots = 8
        case .wide:
            configuration.training.steps = 15
            configuration.training.globalBatch = 64
            configuration.training.slots = 64
        }
        return configuration
    }

    /// A new name below the folder.
    func path(_ name: String) -> String {
        count += 1
        return "\(folder)/\(count)-\(name)"
    }

    /// The path of one of the commands.
    func program(_ name: String) -> String { "\(programs)/\(name)" }

    /// A new run.
    ///
    /// - Parameters:
    ///   - steps: other than the variant's; its steps must be the first ones of the longer run.
    ///   - data: another folder of images than the site's.
    func run(_ name: String, _ variant: Variant = .small, steps: Int? = nil, data: String? = nil, at folder: String? = nil) throws -> RunFolder {
        var configuration = DrillSite.configuration(variant)
        if let steps { configuration.training.steps = steps }
        let file = path("\(variant).yaml")
        try configuration.yaml.write(toFile: file, atomically: true, encoding: .utf8)
        return RunFolder(path: folder ?? path(name), config: file, data: data ?? self.data, steps: configuration.training.steps)
    }

    /// The undisturbed run of a variant, by one worker. Its folder is not to be changed.
    func reference(_ variant: Variant) throws -> RunFolder {
        if let finished = references[variant] { return finished }
        let fleet = DrillFleet(try run("reference-\(variant)", variant), self)
        defer { fleet.killAll() }
        try fleet.start()
        try fleet.finish([try fleet.worker(hasData: true)])
        references[variant] = fleet.run
        return fleet.run
    }

    /// A port with a free one after it.
    func freePortPair() throws -> Int {
        for _ in 0..<2000 {
            port = port >= 20_000 ? 12_000 : port + 2
            if PortProbe.isFree(port), PortProbe.isFree(port + 1) { return port }
        }
        throw ChaosFailure("no two free ports from 12000 to 20001 on 127.0.0.1")
    }
}

/// Whether TCP ports of the loopback address are free.
enum PortProbe {
    static func isFree(_ port: Int) -> Bool {
        guard let listener = TCP.listen(on: TCP.address(host: 127 << 24 | 1, port: port)) else { return false }
        close(listener)
        return true
    }
}
