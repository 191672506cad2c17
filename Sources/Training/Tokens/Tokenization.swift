import Checksums
import Failpoints
import ImageData
import TensorCore

/// A file of tokens to be made of a folder's images: what `mvq tokenize` does. It goes on where it was left, whatever ended it before.
///
/// Records depend on the checkpoint, the images and the settings alone: not on threads, batches, or how often it was interrupted.
public final class Tokenization {
    /// What to make.
    public struct Settings: Sendable {
        public var kept: TokenizationPlan.Kept
        /// 1: centre crop; 2: its mirror image too.
        public var views: Int
        /// Keys the drawn numbers of kept tokens.
        public var seed: Int
        /// Part of the dataset, `train` or `val`.
        public var split: String

        public init(kept: TokenizationPlan.Kept, views: Int = 1, seed: Int = 0, split: String = "train") {
            (self.kept, self.views, self.seed, self.split) = (kept, views, seed, split)
        }
    }

    public let plan: TokenizationPlan
    public let header: TokenFileHeader
    /// The file to be.
    public let path: String
    public let folder: ImageFolder
    private let tokenizer: ImageTokenizer

    /// Reads the dataset's index and prepares the tokenizer; nothing is written.
    ///
    /// - Throws: `DatasetError`, `ConfigurationError` for settings that the tokenizer cannot follow.
    public init(_ checkpoint: TokenizerCheckpoint, data: String, settings: Settings, to path: String) throws {
        folder = try ImageFolder.tokenized(root: data, split: settings.split)
        plan = try TokenizationPlan(
            checkpoint.configuration, kept: settings.kept, images: folder.count, views: settings.views, seed: UInt64(settings.seed))
        header = try TokenFileHeader(checkpoint, folder: folder, plan: plan)
        tokenizer = ImageTokenizer(checkpoint.tokenizer, weights: checkpoint.weights, source: checkpoint.file)
        self.path = path
    }

    /// Makes the file; one that is there already, of the same tokens, is only read.
    ///
    /// - Parameters:
    ///   - threads: threads that encode, each an image at a time.
    ///   - batch: images between two looks at `requireGoing`; they are computed again if the process ends before they are done.
    ///   - requireGoing: what it throws ends the work, which can be continued.
    ///   - progress: called with records done and all records.
    /// - Throws: `ImageError` for an image that cannot be decoded, `TrainingError.unusableTokens`, `TokenFileError`, `FileError`.
    public func run(
        threads: Int, batch: Int, requireGoing: () throws -> Void = {}, progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) throws -> TokenFile {
        if let finished = try TokenFile.finished(path, header: header) { return finished }
        let spool = try TokenSpool(of: path, header: header)
        // Whole sightings only: their records are computed together.
        let done = spool.count / plan.recordsPerSighting
        try spool.cut(to: done * plan.recordsPerSighting)
        progress(spool.count, plan.records)
        let pool = ThreadPool(threads: threads)
        for start in stride(from: done, to: plan.sightings, by: batch) {
            try requireGoing()
            let sightings = start..<min(start + batch, plan.sightings)
            try spool.append(
                tokenizer.records(of: sightings, plan, pool: pool) { [plan, folder] sighting in
                    let image = plan.image(of: sighting)
                    return (try folder.bytes(of: image), folder.path(of: image), folder.label(of: image))
                })
            progress(spool.count, plan.records)
        }
        return try TokenFile.publish(spool, to: path, header: header)
    }
}

extension TokenFile {
    /// The file of a header, if it is there already.
    ///
    /// - Throws: `TokenFileError.otherTokens` if a file of this name holds something else; as `init` does.
    static func finished(_ path: String, header: TokenFileHeader) throws -> TokenFile? {
        let file: TokenFile
        do {
            file = try TokenFile(path: path)
        } catch TokenFileError.notFound {
            return nil
        }
        if let difference = header.difference(from: file.header) { throw TokenFileError.otherTokens(file: path, difference: difference) }
        // Of a process that was ended right after the file was in its place.
        try TokenSpool.removeLeftOver(of: path)
        return file
    }

    /// Makes the file of a complete spool, and removes the spool.
    static func publish(_ spool: TokenSpool, to path: String, header: TokenFileHeader) throws -> TokenFile {
        Failpoints.reach(.tokensWrite)
        try TokenFileWriter.publish(path, header: header) { try spool.record($0) }
        Failpoints.reach(.tokensPublished)
        try spool.remove()
        return try TokenFile(path: path)
    }
}

extension TokenFileHeader {
    /// - Throws: `DatasetError` if an image cannot be examined, `ConfigurationError` for more classes than a label can say.
    init(_ checkpoint: TokenizerCheckpoint, folder: ImageFolder, plan: TokenizationPlan) throws {
        let tokenizer = checkpoint.configuration.tokenizer
        guard folder.classes.count <= UInt16.max, tokenizer.grid <= 255 else {
            throw ConfigurationError(
                folder.root, "\(folder.classes.count) classes and \(tokenizer.grid) × \(tokenizer.grid) tokens: a file of tokens holds 65535 classes and 255 × 255")
        }
        self.init(
            bits: tokenizer.encoder.bits, grid: tokenizer.grid, classNames: folder.classes, images: folder.count, split: folder.split,
            views: plan.views, keptCounts: plan.keptCounts, isKeptSampled: plan.isKeptSampled, seed: Int(plan.seed),
            tokenizerConfiguration: checkpoint.configuration.yaml, tokenizerDigest: checkpoint.weightsDigest,
            tokenizerWeights: checkpoint.which.rawValue, tokenizerStep: checkpoint.step, datasetFingerprint: try folder.fingerprint(),
            numericClass: NumericEnvironment.numericClass, build: BuildVersion.current)
    }
}

extension TokenizerCheckpoint {
    /// SHA-256 of the weights, 64 hexadecimal digits: what files of tokens know their tokenizer by.
    public var weightsDigest: String { weights.withBytes { SHA256.digest(of: $0) } }
}

extension ImageFolder {
    /// The images of a split whose labels are those of the training split, where there is one.
    static func tokenized(root: String, split: String) throws -> ImageFolder {
        let classes = split == "train" ? nil : (try? ImageFolder(root: root, split: "train"))?.classes
        return try ImageFolder(root: root, split: split, classes: classes)
    }
}
