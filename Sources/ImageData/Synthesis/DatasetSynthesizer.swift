import Foundation
import TensorCore

/// Labelled procedural JPEGs in ImageNet's folder layout, for trying things out where no data set is at hand.
///
/// A class is a shape (disc, square, star …) or a texture (stripes, noise …) with a pattern and a range of hues; within a
/// class position, size, rotation, background, light and colours vary. Every picture is a function of (seed, split, class,
/// number), so the same settings give the same bytes; sine and cosine are the system's, which all round alike to 8 bits.
public struct DatasetSynthesizer: Sendable {
    /// What to make; stored as `synthesis.json` beside the images.
    public struct Settings: Codable, Equatable, Sendable {
        /// Number of classes, 1...9999.
        public var classes: Int
        /// Training images per class, 1...99999.
        public var perClass: Int
        /// Validation images per class, 0...99999.
        public var validationPerClass: Int
        /// Width and height in pixels, 16...2048.
        public var size: Int
        public var seed: UInt64
        /// JPEG quality, 1...100.
        public var quality: Int

        /// - Parameter validationPerClass: a tenth of `perClass`, at least one, when `nil`.
        public init(
            classes: Int = 10, perClass: Int = 100, validationPerClass: Int? = nil, size: Int = 64, seed: UInt64 = 0,
            quality: Int = 92
        ) {
            self.classes = classes
            self.perClass = perClass
            self.validationPerClass = validationPerClass ?? max(1, perClass / 10)
            self.size = size
            self.seed = seed
            self.quality = quality
        }
    }

    public let settings: Settings

    /// - Throws: `DatasetError.invalidSetting`.
    public init(_ settings: Settings) throws(DatasetError) {
        let limits: [(String, Int, ClosedRange<Int>)] = [
            ("the number of classes", settings.classes, 1...9999),
            ("the number of images per class", settings.perClass, 1...99_999),
            ("the number of validation images per class", settings.validationPerClass, 0...99_999),
            ("the image size", settings.size, 16...2048), ("the JPEG quality", settings.quality, 1...100),
        ]
        for (name, value, range) in limits where !range.contains(value) {
            throw .invalidSetting(
                name: name, value: String(value), allowed: "between \(range.lowerBound) and \(range.upperBound)")
        }
        self.settings = settings
    }

    /// Folder names of the classes; a label is a position in this list.
    public var classNames: [String] { (0..<settings.classes).map { SyntheticClass(index: $0).folderName } }

    /// One picture before it is compressed.
    /// - Parameter split: `"train"` or `"val"`.
    public func image(split: String, label: Int, number: Int) -> RGBImage {
        precondition(label >= 0 && label < settings.classes, "no class \(label) among \(settings.classes)")
        var draws = Draws(Philox(seed: settings.seed, domain: "synthetic-\(split)"), step: label, sample: number)
        return SyntheticScene(SyntheticClass(index: label), &draws).rendered(size: settings.size)
    }

    /// Writes `train/<class>/*.JPEG`, `val/<class>/*.JPEG`, `classes.tsv` and `synthesis.json` under `folder`.
    ///
    /// The folder must be new, empty, or hold a data set of the same settings, which is written over.
    /// - Parameter progress: receives the numbers of images written and to be written.
    public func write(to folder: String, progress: (Int, Int) -> Void = { _, _ in }) throws(DatasetError) {
        try claim(folder)
        let splits = [("train", settings.perClass), ("val", settings.validationPerClass)].filter { $0.1 > 0 }
        let total = settings.classes * splits.reduce(0) { $0 + $1.1 }
        var done = 0
        progress(done, total)
        for (split, count) in splits {
            for (label, name) in classNames.enumerated() {
                let classFolder = "\(folder)/\(split)/\(name)"
                try Self.makeFolder(classFolder)
                try forEachInParallel(count) { number throws(DatasetError) in
                    let bytes = JPEG.encode(
                        image(split: split, label: label, number: number), quality: settings.quality)
                    let digits = String(number)
                    let padding = String(repeating: "0", count: max(0, 5 - digits.count))
                    try Self.put(bytes, "\(classFolder)/\(name)_\(padding)\(digits).JPEG")
                }
                done += count
                progress(done, total)
            }
        }
        let lines = (0..<settings.classes).map { label in
            let category = SyntheticClass(index: label)
            return "\(category.folderName)\t\(category.words)\n"
        }
        try Self.put(Array(lines.joined().utf8), "\(folder)/classes.tsv")
    }

    /// Makes sure that the folder is ours, and marks it so before anything else is written.
    private func claim(_ folder: String) throws(DatasetError) {
        let marker = "\(folder)/synthesis.json"
        if FileManager.default.fileExists(atPath: folder) {
            guard ImageFolder.isFolder(folder) else {
                throw .unwritable(path: folder, reason: "it is a file, not a folder")
            }
            if let data = FileManager.default.contents(atPath: marker) {
                guard let found = try? JSONDecoder().decode(Settings.self, from: data), found == settings else {
                    throw .occupied(path: folder, reason: "holds synthetic images of other settings (synthesis.json)")
                }
                return
            }
            // Hidden files count: a folder with .git in it is not ours.
            guard try ImageFolder.entries(of: folder, hidden: true).isEmpty else {
                throw .occupied(path: folder, reason: "holds other files")
            }
        }
        try Self.makeFolder(folder)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let data = try? encoder.encode(settings) else {
            preconditionFailure("integers have a JSON form")
        }
        try Self.put(Array(data), marker)
    }

    private static func makeFolder(_ path: String) throws(DatasetError) {
        guard !ImageFolder.isFolder(path) && mkdir(path, 0o777) != 0 else { return }
        let failure = errno
        guard failure == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw .unwritable(path: path, reason: systemReason(failure))
        }
        try makeFolder(String(path[..<slash]))
        guard mkdir(path, 0o777) == 0 else { throw .unwritable(path: path, reason: systemReason()) }
    }

    private static func put(_ bytes: [UInt8], _ path: String) throws(DatasetError) {
        do throws(ImageError) {
            try ImageFile.write(bytes, to: path)
        } catch {
            guard case .unwritable(_, let reason) = error else { throw .unwritable(path: path, reason: "\(error)") }
            throw .unwritable(path: path, reason: reason)
        }
    }
}
