internal import Checksums
import Foundation

/// Reads safetensors files: eight bytes of header length, the header, the data. The file is treated as hostile: everything in the header is
/// checked when it is opened, and nothing is allocated that the file does not hold.
///
/// ```swift
/// let reader = try SafetensorsReader(path: "vgg16.safetensors")
/// let values = try reader.floats("features.0.weight")
/// ```
package final class SafetensorsReader: WeightFile {
    package let file: String
    package let byteCount: Int
    let header: SafetensorsHeader
    private let descriptor: Int32
    /// The bytes before the data.
    private let head: [UInt8]

    package var metadata: [String: String] { header.metadata }
    package var entries: [WeightEntry] {
        header.tensors.map { WeightEntry(name: $0.name, shape: $0.shape, type: $0.type.rawValue) }
    }

    /// Opens a file and checks its header. Throws `WeightFileError`.
    package init(path: String) throws {
        file = path
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        do {
            var status = stat()
            guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
                throw WeightFileError(path, "cannot be read: \(String(cString: strerror(errno)))", mend: "check the path")
            }
            guard status.st_mode & S_IFMT == S_IFREG else { throw WeightFileError(path, "is no plain file", mend: "name a .safetensors file") }
            byteCount = Int(status.st_size)
            (head, header) = try SafetensorsReader.head(of: descriptor, path, byteCount: byteCount)
        } catch {
            if descriptor >= 0 { close(descriptor) }
            throw error
        }
    }

    deinit { close(descriptor) }

    /// One tensor as Float32, row-major. Throws `WeightFileError`.
    package func floats(_ name: String) throws -> [Float] {
        guard let tensor = header.tensors.first(where: { $0.name == name }) else {
            throw WeightFileError(file, "has no tensor \(printable(name))", mend: "check the name")
        }
        return try floats(tensor).values
    }

    package func read(
        _ wanted: Set<String>, progress: (Int) -> Void, visit: (WeightEntry, [Float]) throws -> Void
    ) throws -> String {
        let hash = SHA256()
        head.withUnsafeBytes { hash.update($0) }
        // Ranges cover the data without a hole: one pass over the tensors is one over the file.
        var digests: [(tensor: SafetensorsHeader.Tensor, sha256: String)] = []
        for tensor in header.tensors {
            let own = SHA256()
            if wanted.contains(tensor.name) {
                let (values, bytes) = try floats(tensor)
                bytes.withUnsafeBytes {
                    hash.update($0)
                    own.update($0)
                }
                try visit(WeightEntry(name: tensor.name, shape: tensor.shape, type: tensor.type.rawValue), values)
            } else {
                for start in stride(from: tensor.range.lowerBound, to: tensor.range.upperBound, by: 4 << 20) {
                    let block = try bytes(start..<min(start + 4 << 20, tensor.range.upperBound))
                    block.withUnsafeBytes {
                        hash.update($0)
                        own.update($0)
                    }
                    progress(head.count + start + block.count)
                }
            }
            digests.append((tensor, own.finish()))
            progress(head.count + tensor.range.upperBound)
        }
        if let digest = metadata[SafetensorsDigest.key], SafetensorsDigest.digest(of: digests, metadata: metadata) != digest {
            throw SafetensorsReader.damaged(file, "its content does not match its \(SafetensorsDigest.key)")
        }
        return hash.finish()
    }

    private func floats(_ tensor: SafetensorsHeader.Tensor) throws -> (values: [Float], bytes: [UInt8]) {
        let bytes = try bytes(tensor.range)
        guard let values = bytes.withUnsafeBytes({ tensor.type.floats($0) }) else {
            throw WeightFileError(
                file, "\(printable(tensor.name)) holds \(tensor.type.rawValue), not floating-point numbers", mend: "give a file of F32 weights")
        }
        return (values, bytes)
    }

    private func bytes(_ range: Range<Int>) throws -> [UInt8] {
        try SafetensorsReader.bytes(of: descriptor, file, at: head.count + range.lowerBound, count: range.count)
    }

    private static func head(of descriptor: Int32, _ path: String, byteCount: Int) throws -> ([UInt8], SafetensorsHeader) {
        guard byteCount >= 8 else { throw damaged(path, "it has \(byteCount) bytes") }
        let prefix = try bytes(of: descriptor, path, at: 0, count: 8)
        let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= SafetensorsHeader.longest, length <= byteCount - 8 else {
            throw damaged(path, "it claims a header of \(length) bytes, the file has \(byteCount)")
        }
        let json = try bytes(of: descriptor, path, at: 8, count: Int(length))
        do {
            return (prefix + json, try SafetensorsHeader(parsing: json, dataBytes: byteCount - 8 - Int(length)))
        } catch {
            throw damaged(path, error.text)
        }
    }

    private static func bytes(of descriptor: Int32, _ path: String, at offset: Int, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let got = pread(descriptor, buffer.baseAddress.map { $0 + done }, count - done, offset + done)
                if got < 0 && errno == EINTR { continue }
                guard got >= 0 else { throw FileError(operation: "read", path: path, code: errno) }
                guard got > 0 else { throw damaged(path, "it became shorter while it was read") }
                done += got
            }
        }
    }

    private static func damaged(_ path: String, _ reason: String) -> WeightFileError {
        WeightFileError(path, "is no intact safetensors file: \(reason)", mend: "download or copy it again")
    }
}
