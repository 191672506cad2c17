import Checkpoints
import Foundation
import MergeVQ
import NeuralNet
import TensorCore

/// Brings weights that other software wrote into a file that runs can name: checked by name and shape when made, read and written by `write`.
///
/// ```swift
/// let weights = try WeightImport(["vgg16.safetensors", "lpips.safetensors"], kind: .perceptual)
/// print(weights.report.text)
/// try weights.write(to: "perceptual.h5")
/// ```
public struct WeightImport {
    /// What was found.
    public let report: ImportReport
    public let kind: PretrainedKind
    private let files: [any WeightFile]
    private let check: WeightCheck
    private let tokenizer: RunConfiguration?

    /// What a file came to.
    public struct Outcome: Sendable, Encodable {
        public let file: String
        public let arrays: Int
        public let parameters: Int
        /// SHA-256 of each input file.
        public let sourceSha256: [String]
        /// Arrays by the type that was converted to F32, none for F32 itself.
        public let converted: [String: Int]
        /// Numbers that are NaN or infinite.
        public let notFinite: Int
    }

    /// Opens the files and holds them against the network; the report says whether they fit.
    ///
    /// - Parameters:
    ///   - paths: safetensors or HDF5 files that hold the network together.
    ///   - configuration: of a tokenizer, its configuration file; nil for the one that an exported file carries.
    /// - Throws: `WeightFileError`, `PretrainedError`, `ConfigurationError`.
    public init(_ paths: [String], kind: PretrainedKind, configuration: String? = nil) throws {
        self.kind = kind
        files = try paths.map { try WeightFiles.open($0) }
        let names: WeightNames
        if kind == .tokenizer {
            let run = try WeightImport.configuration(configuration, files)
            tokenizer = run
            names = TokenizerNames.names(Tokenizer.build(run.tokenizer).1)
        } else {
            tokenizer = nil
            let isSmall = files.contains { file in
                file.entries.contains { DINOv2Names.classTokens.contains($0.name) && $0.shape.last == DINOv2Names.Size.small.width }
            }
            guard let known = WeightNames.of(kind, isSmall: isSmall) else { preconditionFailure("no names for \(kind)") }
            names = known
        }
        check = try WeightCheck(files.map { ($0.file, $0.entries) }, names: names)
        report = check.report
    }

    /// Reads the arrays and writes the file, completely or not at all.
    ///
    /// - Parameter progress: called with bytes done and all bytes: those of the input, and those of the output, written and read back.
    /// - Throws: `PretrainedError.refused` if the report has faults; `WeightFileError`, `CheckpointError`, `FileError`.
    public func write(to path: String, progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }) throws -> Outcome {
        guard report.isComplete else { throw PretrainedError.refused(files: report.files, kind: kind, summary: report.summary) }
        let input = files.reduce(0) { $0 + $1.byteCount }
        let needed = report.matched.reduce(0) { $0 + $1.shape.reduce(MemoryLayout<Float>.size, *) }
        var arrays: [CheckpointArray] = []
        var (done, notFinite): (Int, Int) = (0, 0)
        var converted: [String: Int] = [:]
        var digests: [String] = []
        for file in files {
            let digest = try file.read(Set(check.claims.keys)) { progress(done + $0, input + 2 * needed) } visit: { entry, values in
                guard let claim = check.claims[entry.name] else { return }
                arrays += WeightImport.split(claim.source, values).map {
                    CheckpointArray(path: "/\(claim.group)/\($0.array.name)", shape: $0.array.shape, values: $0.values)
                }
                notFinite += values.count { !$0.isFinite }
                if entry.type != "F32" { converted[entry.type, default: 0] += 1 }
            }
            digests.append(digest)
            done += file.byteCount
        }
        if let tokenizer { arrays += substitutes(for: arrays, tokenizer) }
        let output = arrays.reduce(0) { $0 + $1.values.count } * MemoryLayout<Float>.size
        try Checkpoint(step: step, attributes: attributes(digests), arrays: arrays).write(to: path) { progress(input + $0, input + 2 * output) }
        return Outcome(
            file: path, arrays: arrays.count, parameters: arrays.reduce(0) { $0 + $1.values.count }, sourceSha256: digests,
            converted: converted, notFinite: notFinite)
    }

    private var step: Int { files.first?.metadata["mvq_step"].flatMap { Int($0) }.map { max(0, $0) } ?? 0 }

    private func attributes(_ digests: [String]) -> [String: AttributeValue] {
        let sources = files.map { ($0.file as NSString).lastPathComponent }
        var attributes: [String: AttributeValue] = [
            "kind": .string(kind.rawValue), "build": .string(BuildVersion.current),
            "source": .string(sources.joined(separator: ", ")), "source_sha256": .string(digests.joined(separator: ", ")),
            "spelling": .string(report.spellings.joined(separator: "; ")),
        ]
        if let tokenizer { attributes["config"] = .string(tokenizer.yaml) }
        for absence in report.absent { attributes["replaced " + absence.part] = .string("by " + absence.substitute) }
        return attributes
    }

    /// The arrays that one array of a foreign file becomes: its rows in equal shares.
    package static func split(_ source: SourceArray, _ values: [Float]) -> [(array: ExpectedArray, values: [Float])] {
        guard source.targets.count > 1 else { return [(ExpectedArray(source.targets[0], source.shape), values)] }
        let shape = [source.shape[0] / source.targets.count] + source.shape.dropFirst()
        let share = values.count / source.targets.count
        return source.targets.enumerated().map { index, name in
            (ExpectedArray(name, shape), Array(values[(index * share)..<((index + 1) * share)]))
        }
    }

    /// Holds lists of arrays against names, without files.
    package static func check(_ files: [(file: String, entries: [WeightEntry])], names: WeightNames) throws -> ImportReport {
        try WeightCheck(files, names: names).report
    }

    /// What a tokenizer's file does not have: source recovery as a new run would start it, and averages that equal the weights.
    private func substitutes(for found: [CheckpointArray], _ run: RunConfiguration) -> [CheckpointArray] {
        let configuration = run.tokenizer
        var added: [CheckpointArray] = []
        let present = Set(found.map(\.path))
        if let settings = configuration.recovery {
            let (_, layout) = ParameterLayout.build {
                SourceRecovery($0 / "source_recovery", settings, positions: configuration.fullTokens, bits: configuration.encoder.bits)
            }
            if layout.parameters.contains(where: { !present.contains("/model/\($0.name)") }) {
                let weights = layout.initialWeights(seed: UInt64(run.seed))
                added += layout.parameters.map {
                    CheckpointArray(path: "/model/\($0.name)", shape: $0.officialShape, values: $0.official(from: weights))
                }
            }
        }
        let averages = (found + added).filter { $0.path.hasPrefix("/model/") }.map {
            CheckpointArray(path: "/ema/" + $0.path.dropFirst("/model/".count), shape: $0.shape, values: $0.values)
        }
        return added + averages.filter { !present.contains($0.path) }
    }

    /// The configuration given, or the one that the file carries.
    private static func configuration(_ given: String?, _ files: [any WeightFile]) throws -> RunConfiguration {
        if let given { return try RunConfiguration(file: given) }
        let file = files.first?.file ?? "no file"
        guard let yaml = files.first?.metadata["mvq_config"] else { throw PretrainedError.needsConfiguration(file: file) }
        let run = try RunConfiguration(yaml: yaml, file: "\(file) (mvq_config)")
        guard isPlausible(run.model, for: files.flatMap(\.entries)) else { throw PretrainedError.implausible(file: file) }
        return run
    }

    /// Whether so many arrays of such sizes may be this model. A hostile file may describe one whose size is not even a number.
    private static func isPlausible(_ model: RunConfiguration.Model, for entries: [WeightEntry]) -> Bool {
        let most = 1 << 36
        let elements = entries.reduce(0) { sum, entry in
            min(most, sum + entry.shape.reduce(1) { min(most, $0.multipliedReportingOverflow(by: $1).overflow ? most : $0 * $1) })
        }
        let decoder = model.channels * (model.channelMultipliers.max() ?? 1)
        let widths = [decoder, model.stem == .patches ? model.patchWidth : decoder, model.sourceRecovery.width]
        let blocks = [
            model.residualBlocks, model.attentionBlocks, model.sourceRecovery.crossAttentionBlocks, model.sourceRecovery.selfAttentionBlocks,
        ]
        return widths.allSatisfy { $0 * $0 <= elements } && blocks.allSatisfy { $0 <= min(entries.count, 4096) }
    }
}
