import Foundation

/// Name, shape and element type of one array in a file of weights.
package struct WeightEntry: Equatable, Sendable {
    package let name: String
    /// Dimensions, slowest first; `[]` for a scalar.
    package let shape: [Int]
    /// The element type as safetensors spells it: `F32`, `F16`, `BF16`, `F64`, `I64` …
    package let type: String

    package init(name: String, shape: [Int], type: String) {
        self.name = name
        self.shape = shape
        self.type = type
    }

    /// Whether the numbers can be had as Float32: exactly, or from `F64` rounded to nearest.
    package var isFloat: Bool { ["F32", "F16", "BF16", "F64"].contains(type) }
}

/// A file of named arrays that another program wrote: what it holds is known at once, the numbers are read when asked for.
package protocol WeightFile {
    /// The path as given.
    var file: String { get }
    /// All arrays, in the order in which they are read.
    var entries: [WeightEntry] { get }
    /// Texts that the file carries beside its arrays.
    var metadata: [String: String] { get }
    /// The size of the file.
    var byteCount: Int { get }

    /// Reads the named arrays in one pass over the file.
    ///
    /// - Parameters:
    ///   - wanted: names of entries whose type is a float.
    ///   - progress: called with the bytes passed so far.
    ///   - visit: gets each wanted array, row-major, in the order of `entries`.
    /// - Returns: the SHA-256 of the whole file.
    /// - Throws: `WeightFileError`, `FileError`, or what `visit` throws.
    func read(
        _ wanted: Set<String>, progress: (_ bytes: Int) -> Void, visit: (_ entry: WeightEntry, _ values: [Float]) throws -> Void
    ) throws -> String
}

/// Opens files of weights by what their first bytes say.
package enum WeightFiles {
    /// Opens a safetensors or HDF5 file. Throws `WeightFileError`.
    package static func open(_ path: String) throws -> any WeightFile {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw WeightFileError(path, "there is no such file", mend: "check the path")
        }
        guard !isFolder.boolValue else {
            throw WeightFileError(path, "is a folder", mend: "name the .safetensors or .h5 file in it")
        }
        guard let handle = FileHandle(forReadingAtPath: path), let head = try? handle.read(upToCount: 8) else {
            throw WeightFileError(path, "cannot be read", mend: "make it readable for this user")
        }
        if head.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]) { return try HDF5WeightFile(path: path) }
        // A zip archive or a bare pickle, as torch.save writes them. A safetensors file of a header this long would have 67 million bytes of it.
        if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) || (head.first == 0x80 && head.count > 1 && (2...5).contains(head[1])) {
            throw WeightFileError(
                path, "is a PyTorch pickle, which mvq does not read because it may run code",
                mend: "convert it to safetensors once, as docs/weights.md shows")
        }
        return try SafetensorsReader(path: path)
    }
}
