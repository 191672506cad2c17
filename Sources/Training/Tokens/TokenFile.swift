import Checkpoints
import Checksums
import Foundation

/// A file of tokens (docs/token-format.md), wholly in memory: 4 bytes a code and 2 a raster cell of every record, 1.1 KB for 144 tokens of 256 cells.
///
/// Opening it verifies all digests. What a record holds is checked when it is asked for.
public final class TokenFile: Sendable {
    /// The path as given.
    public let path: String
    public let header: TokenFileHeader
    /// What identifies the content: equal for files with equal header and records only. 64 hexadecimal digits.
    public let fingerprint: String
    private let columns: Columns

    /// The datasets, row-major.
    private struct Columns: Sendable {
        let kept: [UInt16]
        let labels: [UInt16]
        let images: [UInt32]
        let views: [UInt8]
        /// `[records, mostKept]`
        let codes: [UInt32]
        /// `[records, cells]`
        let owners: [UInt16]
    }

    /// Names and shapes of the datasets.
    static func datasets(_ header: TokenFileHeader, records: Int) -> [(path: String, shape: [Int], type: HDF5Writer.Unsigned)] {
        [
            ("/kept", [records], .bits16), ("/labels", [records], .bits16), ("/images", [records], .bits32), ("/views", [records], .bits8),
            ("/codes", [records, header.mostKept], .bits32), ("/owners", [records, header.cells], .bits16),
        ]
    }

    /// What stands behind a record's last code.
    static let padding = UInt32.max

    /// Reads and verifies a file.
    ///
    /// - Throws: `TokenFileError`
    public init(path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else { throw TokenFileError.notFound(file: path) }
        do {
            let reader = try HDF5Reader(path: path)
            guard let format = try? reader.stringAttribute("format", of: "/"), format == TokenFileHeader.format else {
                throw TokenFileError.notATokenFile(file: path, reason: "it lacks the attribute format = \(TokenFileHeader.format)")
            }
            let version = try? reader.integerAttribute("format_version", of: "/")
            guard version == TokenFileHeader.version else {
                throw TokenFileError.notATokenFile(
                    file: path,
                    reason: "its format_version is \(version.map(String.init) ?? "absent"), this program reads \(TokenFileHeader.version)")
            }
            let header = try TokenFileHeader(reader)
            let datasets = TokenFile.datasets(header, records: header.records)
            for (name, shape, _) in datasets {
                let found = try reader.shape(of: name)
                guard found == shape else { throw TokenFileError.damaged(file: path, reason: "dataset \(name) has shape \(found) instead of \(shape)") }
            }
            columns = Columns(
                kept: try reader.uint16s("/kept"), labels: try reader.uint16s("/labels"), images: try reader.uint32s("/images"),
                views: try reader.bytes("/views"), codes: try reader.uint32s("/codes"), owners: try reader.uint16s("/owners"))
            let digests = [
                TokenFile.digest(columns.kept), TokenFile.digest(columns.labels), TokenFile.digest(columns.images), TokenFile.digest(columns.views),
                TokenFile.digest(columns.codes), TokenFile.digest(columns.owners),
            ]
            for (dataset, digest) in zip(datasets, digests) where try reader.stringAttribute("sha256", of: dataset.path) != digest {
                throw TokenFileError.damaged(file: path, reason: "dataset \(dataset.path) does not match its sha256 attribute")
            }
            fingerprint = header.contentDigest(datasets: zip(datasets, digests).map { ($0.path, $1) })
            guard try reader.stringAttribute("content_sha256", of: "/") == fingerprint else {
                throw TokenFileError.damaged(file: path, reason: "its attributes do not match content_sha256")
            }
            self.header = header
        } catch let error as HDF5Error {
            switch error {
            case .cannotOpen(_, let reason): throw TokenFileError.notATokenFile(file: path, reason: reason)
            case .damaged(_, let place, let reason), .unsuitable(_, let place, let reason), .cannotWrite(_, let place, let reason):
                throw TokenFileError.damaged(file: path, reason: "\(place): \(reason)")
            case .missing(_, let place): throw TokenFileError.damaged(file: path, reason: "\(place) is missing")
            }
        }
    }

    /// Whether a file says of itself that it holds tokens.
    public static func isTokenFile(_ path: String) -> Bool {
        (try? HDF5Reader(path: path).stringAttribute("format", of: "/")) == TokenFileHeader.format
    }

    /// Records: image after image, view after view, K after K.
    public var count: Int { columns.kept.count }

    /// The record of a number from 0.
    ///
    /// - Throws: `TokenFileError` if there is no such record, or it is none that a tokenizer makes.
    public func record(_ id: Int) throws -> TokenRecord {
        guard columns.kept.indices.contains(id) else { throw TokenFileError.noRecord(file: path, record: id, count: count) }
        do {
            return try checked(id)
        } catch {
            throw TokenFileError.badRecord(file: path, record: id, problem: error)
        }
    }

    /// The record of a number from 0 as `TokenRecord.bytes`.
    ///
    /// - Throws: as `record` does.
    public func bytes(of id: Int) throws -> [UInt8] { try record(id).bytes }

    private func checked(_ id: Int) throws(TokenRecordError) -> TokenRecord {
        let (kept, label, image, view) = (Int(columns.kept[id]), Int(columns.labels[id]), Int(columns.images[id]), Int(columns.views[id]))
        guard header.keptCounts.contains(kept) else { throw .otherKept(kept) }
        guard label < header.classes else { throw .labelOutside(label: label, classes: header.classes) }
        guard image < header.images else { throw .imageOutside(image: image, count: header.images) }
        guard view < header.views else { throw .viewOutside(view: view, views: header.views) }
        let row = columns.codes[(id * header.mostKept)..<((id + 1) * header.mostKept)]
        for (slot, code) in row.enumerated() {
            if slot < kept {
                guard code >> UInt32(header.bits) == 0 else { throw .codeOutside(slot: slot, code: code, bits: header.bits) }
            } else {
                guard code == TokenFile.padding else { throw .notPadded(slot: slot) }
            }
        }
        return try TokenRecord(
            image: image, view: view, label: label, codes: Array(row.prefix(kept)),
            owners: Array(columns.owners[(id * header.cells)..<((id + 1) * header.cells)]))
    }

    /// Of little-endian numbers.
    private static func digest(_ numbers: [some FixedWidthInteger & BitwiseCopyable]) -> String {
        #if _endian(little)
        numbers.withUnsafeBytes { SHA256.digest(of: $0) }
        #else
        numbers.map(\.littleEndian).withUnsafeBytes { SHA256.digest(of: $0) }
        #endif
    }
}

extension TokenFileHeader {
    /// What identifies header and records: the digest of every attribute and of every dataset's digest.
    func contentDigest(datasets: [(path: String, sha256: String)]) -> String {
        let hash = SHA256()
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { hash.update("\(name) \(value.canonicalText)\n") }
        for (path, sha256) in datasets { hash.update("\(path) \(sha256)\n") }
        return hash.finish()
    }
}
