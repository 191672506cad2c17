internal import Checksums
import Foundation

/// Writes float32 arrays as a safetensors file that every reader of the format takes.
package enum SafetensorsWriter {
    /// One array; `values` are row-major.
    package struct Array: Sendable {
        package let name: String
        package let shape: [Int]
        package let values: [Float]

        package init(name: String, shape: [Int], values: [Float]) {
            precondition(checkedProduct(shape) == values.count, "\(name): shape \(shape) with \(values.count) values")
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    /// Writes a file that is either completely there or not at all; an old one is replaced. Tensors are sorted by name, and a text `mvq_digest`
    /// over all content is added to the metadata. Equal content gives equal bytes.
    ///
    /// - Parameters:
    ///   - arrays: with distinct names.
    ///   - progress: called with the bytes written so far, after each array.
    /// - Returns: the file's SHA-256, compared with what the disk gives back.
    /// - Throws: `FileError`.
    package static func write(
        _ arrays: [Array], metadata: [String: String], to path: String, progress: (Int) -> Void = { _ in }
    ) throws -> String {
        let sorted = arrays.sorted { $0.name < $1.name }
        precondition(Set(arrays.map(\.name)).count == arrays.count, "two arrays of one name")
        let bare = SafetensorsHeader(arrays.map { ($0.name, $0.shape) }, metadata: metadata)
        let digests = zip(bare.tensors, sorted).map { (tensor: $0, sha256: $1.values.withUnsafeBytes { SHA256.digest(of: $0) }) }
        let digest = SafetensorsDigest.digest(of: digests, metadata: metadata)
        let complete = metadata.merging([SafetensorsDigest.key: digest]) { $1 }
        let head = SafetensorsHeader(arrays.map { ($0.name, $0.shape) }, metadata: complete).encoded

        let temporary = FileSystem.temporaryName(of: path)
        do {
            let sha256 = try FileSystem.create(temporary) { descriptor in
                let hash = SHA256()
                var written = 0
                try head.withUnsafeBytes {
                    try FileSystem.write($0, to: descriptor, path)
                    hash.update($0)
                    written += $0.count
                }
                for array in sorted {
                    try array.values.withUnsafeBytes {
                        try FileSystem.write($0, to: descriptor, path)
                        hash.update($0)
                        written += $0.count
                    }
                    progress(written)
                }
                return hash.finish()
            }
            try FileSystem.synchroniseFile(temporary)
            guard try FileSystem.digest(of: temporary) == sha256 else { throw FileError(operation: "read back", path: path, code: EIO) }
            try FileSystem.rename(temporary, to: path)
            try FileSystem.synchroniseFolder(of: path)
            return sha256
        } catch {
            unlink(temporary)
            throw error
        }
    }
}

extension FileSystem {
    /// Creates a file (an old one is emptied) and lets `body` write to its descriptor. Throws `FileError`.
    static func create<Result>(_ path: String, _ body: (Int32) throws -> Result) throws -> Result {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError(operation: "create", path: path, code: errno) }
        let result: Result
        do {
            result = try body(descriptor)
        } catch {
            close(descriptor)
            throw error
        }
        guard close(descriptor) == 0 else { throw FileError(operation: "write", path: path, code: errno) }
        return result
    }

    /// Writes all bytes at the descriptor's position. Throws `FileError`.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw FileError(operation: "write", path: path, code: count < 0 ? errno : EIO) }
            rest = rest.dropFirst(count)
        }
    }
}
