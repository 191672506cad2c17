import Checkpoints
import Checksums

/// Writes files of tokens: one that appears is whole and has been read back.
public enum TokenFileWriter {
    /// Writes a file, an older one of the name is replaced. Equal header and records give equal bytes.
    ///
    /// - Parameters:
    ///   - records: gives the record of every number from 0 to `header.records` − 1, each asked for once, in order.
    /// - Returns: the digest of its content, `TokenFile.fingerprint`.
    /// - Throws: `TokenFileError`, `FileError` if it cannot be written or does not read back; what `records` throws.
    @discardableResult
    public static func publish(_ path: String, header: TokenFileHeader, records: (Int) throws -> TokenRecord) throws -> String {
        var digest = ""
        do {
            try FileSystem.publish(path) { temporary in
                digest = try write(temporary, header: header, records: records)
            } verify: { temporary in
                let file = try TokenFile(path: temporary)
                guard file.fingerprint == digest else { throw TokenFileError.damaged(file: path, reason: "it reads back with another content") }
            }
        } catch let error as HDF5Error {
            throw TokenFileError.notWritten(file: path, reason: "\(error)")
        }
        return digest
    }

    /// Writes and closes a file; returns the digest of its content.
    private static func write(_ path: String, header: TokenFileHeader, records: (Int) throws -> TokenRecord) throws -> String {
        let writer = try HDF5Writer(creating: path)
        let count = header.records
        let columns = try TokenFile.datasets(header, records: count).map { try Column(writer, $0.path, shape: $0.shape, type: $0.type) }
        for id in 0..<count {
            let record = try records(id)
            guard record.cells == header.cells else {
                throw TokenFileError.badRecord(file: path, record: id, problem: .otherCells(record.cells, expected: header.cells))
            }
            guard record.kept <= header.mostKept else {
                throw TokenFileError.badRecord(file: path, record: id, problem: .otherKept(record.kept))
            }
            let codes = record.codes + Array(repeating: TokenFile.padding, count: header.mostKept - record.kept)
            try columns[0].append([UInt16(record.kept)])
            try columns[1].append([UInt16(record.label)])
            try columns[2].append([UInt32(record.image)])
            try columns[3].append([UInt8(record.view)])
            try columns[4].append(codes)
            try columns[5].append(record.owners)
        }
        var digests: [(path: String, sha256: String)] = []
        for column in columns {
            let digest = try column.finish()
            try writer.setAttribute("sha256", .string(digest), of: column.path)
            digests.append((column.path, digest))
        }
        let content = header.contentDigest(datasets: digests)
        for (name, value) in header.attributes.sorted(by: { $0.key < $1.key }) { try writer.setAttribute(name, value, of: "/") }
        try writer.setAttribute("format", .string(TokenFileHeader.format), of: "/")
        try writer.setAttribute("format_version", .integer(TokenFileHeader.version), of: "/")
        try writer.setAttribute("content_sha256", .string(content), of: "/")
        try writer.close()
        return content
    }

    /// A dataset on its way into the file, and the digest of what has gone so far.
    private final class Column {
        let path: String
        private let rows: HDF5Writer.Rows
        private var hash: SHA256? = SHA256()

        init(_ writer: HDF5Writer, _ path: String, shape: [Int], type: HDF5Writer.Unsigned) throws {
            self.path = path
            rows = try writer.rows(path, shape: shape, of: type)
        }

        func append(_ row: [some FixedWidthInteger & BitwiseCopyable]) throws {
            try row.map(\.littleEndian).withUnsafeBytes { bytes in
                hash?.update(bytes)
                try rows.append(bytes)
            }
        }

        /// Ends the dataset; the digest of its numbers.
        func finish() throws -> String {
            try rows.finish()
            guard let hash = hash.take() else { preconditionFailure("\(path): finished twice") }
            return hash.finish()
        }
    }
}
