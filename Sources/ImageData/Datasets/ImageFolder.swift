import Checksums
import Foundation

/// The images of one split of a folder in ImageNet's layout, `root/<split>/<class>/*.{JPEG,jpeg,jpg}`.
///
/// Classes are sorted by name and files by name within their class, both by UTF-8 bytes; the sample id of an image is its
/// position in that order, its label the position of its class. Hidden files and files of other kinds are passed over.
/// Only names are read when the folder is opened, so opening is quick and says nothing about the images' health.
public struct ImageFolder: Sendable {
    /// The folder that holds the splits.
    public let root: String
    /// `"train"` or `"val"`.
    public let split: String
    /// Class folder names; a label is a position in this list.
    public let classes: [String]
    /// File names in the order of sample ids.
    private let names: [String]
    /// `starts[c]..<starts[c + 1]` are the sample ids of class c.
    private let starts: [Int]

    /// Lists the images of a split.
    /// - Parameter classes: the classes of the training split, so that labels of a validation split that lacks a class still
    ///   agree; `nil` takes every class folder there is.
    public init(root: String, split: String = "train", classes: [String]? = nil) throws(DatasetError) {
        let folder = "\(root)/\(split)"
        guard Self.isFolder(folder) else { throw .missingFolder(path: folder, layoutRoot: root) }
        let found = try Self.entries(of: folder).filter { Self.isFolder("\(folder)/\($0)") }
        if let classes {
            let known = Set(classes)
            for name in found where !known.contains(name) {
                throw .unknownClass(path: "\(folder)/\(name)", known: classes.count)
            }
        }
        let present = Set(found)
        var names: [String] = []
        var starts = [0]
        for name in classes ?? found {
            if present.contains(name) {
                names += try Self.entries(of: "\(folder)/\(name)").filter(Self.isImage)
            }
            starts.append(names.count)
        }
        guard !names.isEmpty else { throw .noImages(path: folder) }
        self.root = root
        self.split = split
        self.classes = classes ?? found
        self.names = names
        self.starts = starts
    }

    /// Number of images.
    public var count: Int { names.count }

    /// The sample ids of one class.
    public func samples(of label: Int) -> Range<Int> {
        precondition(classes.indices.contains(label), "no class \(label) among \(classes.count)")
        return starts[label]..<starts[label + 1]
    }

    /// The class of a sample, as a position in `classes`.
    public func label(of sample: Int) -> Int {
        precondition(names.indices.contains(sample), "no sample \(sample) among \(count)")
        // The last class that starts at or before the sample.
        var low = 0
        var high = classes.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= sample { low = middle } else { high = middle }
        }
        return low
    }

    /// Path of a sample below `root`, as hashed by `fingerprint`.
    public func relativePath(of sample: Int) -> String {
        "\(split)/\(classes[label(of: sample)])/\(names[sample])"
    }

    /// Path of a sample's file.
    public func path(of sample: Int) -> String { "\(root)/\(relativePath(of: sample))" }

    /// The undecoded bytes of a sample's file.
    public func bytes(of sample: Int) throws(ImageError) -> [UInt8] { try ImageFile.bytes(of: path(of: sample)) }

    /// Decodes a sample.
    public func image(of sample: Int) throws(ImageError) -> RGBImage {
        try JPEG.decode(bytes(of: sample), file: path(of: sample))
    }

    /// SHA-256 over every sample's relative path and file size, 64 hexadecimal digits: two machines whose folders agree in
    /// it hold the same data set under the same sample ids. Asks the file system once per image.
    public func fingerprint() throws(DatasetError) -> String {
        let hash = SHA256()
        for sample in 0..<count {
            let path = path(of: sample)
            var status = stat()
            guard stat(path, &status) == 0 else { throw .unreadable(path: path, reason: systemReason()) }
            hash.update("\(relativePath(of: sample))\0\(status.st_size)\n")
        }
        return hash.finish()
    }

    static func isImage(_ name: String) -> Bool {
        let name = name.lowercased()
        return name.hasSuffix(".jpeg") || name.hasSuffix(".jpg")
    }

    /// Whether `path` is a folder or a link to one.
    /// Whether there is a folder of this path.
    public static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a folder sorted by bytes, without those that start with a dot unless `hidden` is set.
    static func entries(of folder: String, hidden: Bool = false) throws(DatasetError) -> [String] {
        guard let directory = opendir(folder) else { throw .unreadable(path: folder, reason: systemReason()) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") || (hidden && name != "." && name != "..") { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
