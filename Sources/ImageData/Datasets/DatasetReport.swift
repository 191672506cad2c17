import Foundation

/// What a data set folder holds and what is wrong with it; `text` is for people, `json()` for programs.
public struct DatasetReport: Codable, Equatable, Sendable {
    /// Smallest, middle (the lower of two) and largest of some numbers.
    public struct Spread: Codable, Equatable, Sendable {
        public let minimum: Int
        public let median: Int
        public let maximum: Int

        /// `nil` for no numbers.
        init?(_ numbers: [Int]) {
            let sorted = numbers.sorted()
            guard let first = sorted.first, let last = sorted.last else { return nil }
            minimum = first
            median = sorted[(sorted.count - 1) / 2]
            maximum = last
        }
    }

    /// A file with what is wrong with it, in one line.
    public struct Problem: Codable, Equatable, Sendable {
        /// Path below the root.
        public let file: String
        public let message: String
    }

    /// One split, `train` or `val`.
    public struct Split: Codable, Equatable, Sendable {
        public let name: String
        /// Number of class folders.
        public let classes: Int
        public let images: Int
        public let imagesPerClass: Spread?
        /// Of the readable images, in pixels.
        public let width: Spread?
        public let height: Spread?
        /// Size of all files together.
        public let bytes: Int
        public let colour: Int
        public let greyscale: Int
        /// Images that training would stop at.
        public let unreadable: [Problem]
        /// Images that decode although the decoder complains.
        public let warnings: [Problem]
        /// Class folders without an image.
        public let emptyClasses: [String]
        /// Class folders that the training split does not have.
        public let unknownClasses: [String]
        /// See `ImageFolder.fingerprint()`.
        public let fingerprint: String
    }

    public let root: String
    /// Whether every image was decoded, or only its header read.
    public let decoded: Bool
    public let splits: [Split]

    /// Whether every image can be used.
    public var isSound: Bool {
        splits.allSatisfy { $0.unreadable.isEmpty && $0.unknownClasses.isEmpty && $0.emptyClasses.isEmpty }
    }

    /// Examines `root/train` and `root/val`, or the one that is there, on all cores.
    /// - Parameters:
    ///   - decode: whether to decode every image; otherwise damage behind the headers goes unnoticed.
    ///   - progress: receives the numbers of images examined and to be examined, now and then.
    public init(
        inspecting root: String, decode: Bool = true, progress: (Int, Int) -> Void = { _, _ in }
    ) throws(DatasetError) {
        let present = ["train", "val"].filter { ImageFolder.isFolder("\(root)/\($0)") }
        var folders: [ImageFolder] = []
        for split in present.isEmpty ? ["train"] : present {
            folders.append(try ImageFolder(root: root, split: split))
        }
        let total = folders.reduce(0) { $0 + $1.count }
        var done = 0
        progress(0, total)
        var splits: [Split] = []
        for folder in folders {
            var findings: [Finding] = []
            findings.reserveCapacity(folder.count)
            for start in stride(from: 0, to: folder.count, by: 256) {
                let count = min(256, folder.count - start)
                findings += mapInParallel(count) { Finding(folder, start + $0, decode: decode) }
                done += count
                progress(done, total)
            }
            let training = folders.first { $0.split == "train" }
            splits.append(try Split(folder, findings, trainingClasses: training?.classes))
        }
        self.root = root
        self.decoded = decode
        self.splits = splits
    }

    /// The report as JSON with sorted keys.
    public func json() -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { preconditionFailure("numbers and texts have a JSON form") }
        return String(decoding: data, as: UTF8.self)
    }
}

/// What was found out about one image.
private struct Finding: Sendable {
    var bytes = 0
    var header: JPEG.Header?
    var error: ImageError?
    var warning: String?

    /// Enough for the header of nearly every JPEG.
    private static let headerBytes = 1 << 16

    init(_ folder: ImageFolder, _ sample: Int, decode: Bool) {
        let path = folder.path(of: sample)
        var status = stat()
        if stat(path, &status) == 0 { bytes = Int(status.st_size) }
        do throws(ImageError) {
            let data = try ImageFile.bytes(of: path, limit: decode ? .max : Self.headerBytes)
            do throws(ImageError) {
                header = try JPEG.header(of: data, file: path)
            } catch {
                guard data.count < bytes else { throw error }
                header = try JPEG.header(of: ImageFile.bytes(of: path), file: path)
            }
            if decode { warning = try JPEG.decodeWithWarning(data, file: path).warning }
        } catch {
            self.error = error
        }
    }
}

extension DatasetReport.Split {
    fileprivate init(
        _ folder: ImageFolder, _ findings: [Finding], trainingClasses: [String]?
    ) throws(DatasetError) {
        let usable = findings.filter { $0.error == nil }.compactMap(\.header)
        let sizes = folder.classes.indices.map { folder.samples(of: $0).count }
        let known = Set(trainingClasses ?? folder.classes)
        name = folder.split
        classes = folder.classes.count
        images = folder.count
        imagesPerClass = DatasetReport.Spread(sizes)
        width = DatasetReport.Spread(usable.map(\.width))
        height = DatasetReport.Spread(usable.map(\.height))
        bytes = findings.reduce(0) { $0 + $1.bytes }
        colour = usable.filter { !$0.isGreyscale }.count
        greyscale = usable.filter(\.isGreyscale).count
        unreadable = findings.indices.compactMap { sample in
            findings[sample].error.map { .init(file: folder.relativePath(of: sample), message: $0.description) }
        }
        warnings = findings.indices.compactMap { sample in
            findings[sample].warning.map { .init(file: folder.relativePath(of: sample), message: $0) }
        }
        emptyClasses = folder.classes.indices.filter { sizes[$0] == 0 }.map { folder.classes[$0] }
        unknownClasses = folder.classes.filter { !known.contains($0) }
        fingerprint = try folder.fingerprint()
    }
}
