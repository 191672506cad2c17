import Checksums
import Generators

/// The tokens of one image, seen one way and merged to one number of tokens (stage2 2.4): codes in canonical slot order (`CanonicalSlots`), and the
/// slot that every raster cell belongs to.
///
/// It is valid by construction: every slot owns a cell, and slots are in the order in which their first cells come.
public struct TokenRecord: Sendable, Equatable {
    /// The image's position in the dataset's order.
    public let image: Int
    /// Which view of it: 0 the centre crop, 1 its mirror image.
    public let view: Int
    /// The image's class.
    public let label: Int
    /// The joint code of every slot, K of them (stage2 1.2).
    public let codes: [UInt32]
    /// The slot of every raster cell, L of them.
    public let owners: [UInt16]

    /// Kept tokens, K.
    public var kept: Int { codes.count }
    /// Raster cells, L.
    public var cells: Int { owners.count }

    /// The code of every raster cell, L of them.
    public var expandedCodes: [UInt32] { owners.map { codes[Int($0)] } }

    /// A record of codes in slot order.
    ///
    /// - Throws: `TokenRecordError` if an owner is no slot, a slot owns no cell, or slots are out of order.
    public init(image: Int, view: Int, label: Int, codes: [UInt32], owners: [UInt16]) throws(TokenRecordError) {
        precondition(
            UInt32(exactly: image) != nil && UInt8(exactly: view) != nil && UInt16(exactly: label) != nil && codes.count <= UInt16.max
                && owners.count <= UInt16.max, "no record of view \(view) of image \(image), label \(label), \(codes.count) codes, \(owners.count) cells")
        (self.image, self.view, self.label, self.codes, self.owners) = (image, view, label, codes, owners)
        var slots = 0
        for (cell, owner) in owners.enumerated() {
            guard owner < codes.count else { throw .ownerOutside(cell: cell, owner: Int(owner), kept: codes.count) }
            guard owner <= slots else { throw .slotsOutOfOrder(cell: cell, owner: Int(owner), next: slots) }
            if owner == slots { slots += 1 }
        }
        guard slots == codes.count else { throw .slotWithoutCell(slots) }
    }

    /// A record of what the tokenizer says, in the order of its own.
    ///
    /// - Parameters:
    ///   - codes: of the kept tokens, K.
    ///   - owners: the kept token of every raster cell, L.
    /// - Throws: `SamplingError` if an owner is no token, or a token owns no cell.
    init(image: Int, view: Int, label: Int, tokenizerCodes codes: [Int32], owners: [Int32]) throws {
        let slots = try CanonicalSlots(owners: owners, count: codes.count)
        try self.init(
            image: image, view: view, label: label, codes: slots.inSlotOrder(codes).map { UInt32(bitPattern: $0) },
            owners: slots.owners.map { UInt16(truncatingIfNeeded: $0) })
    }
}

// As bytes: what workers are sent as a sample, and what a token file is assembled from. All numbers are little-endian:
//
//     0  version, 1     1  view     2  label (16 bits)     4  K (16 bits)     6  L (16 bits)     8  image (32 bits)
//     12  K codes (32 bits each), L owners (16 bits each), CRC-32C of all bytes before (32 bits)
extension TokenRecord {
    private static let version: UInt8 = 1
    private static let headerBytes = 12

    /// How many bytes a record takes.
    static func byteCount(kept: Int, cells: Int) -> Int { headerBytes + 4 * kept + 2 * cells + 4 }

    /// The record as bytes: a compact form of its own, with a checksum.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount(kept: kept, cells: cells))
        bytes.append(Self.version)
        bytes.append(UInt8(view))
        for number in [label, kept, cells] { bytes.append(littleEndian: UInt16(number)) }
        bytes.append(littleEndian: UInt32(image))
        for code in codes { bytes.append(littleEndian: code) }
        for owner in owners { bytes.append(littleEndian: owner) }
        bytes.append(littleEndian: bytes.withUnsafeBytes { CRC32C.checksum($0) })
        return bytes
    }

    /// A record from its bytes.
    ///
    /// - Throws: `TokenRecordError` if they are not what `bytes` made.
    public init(bytes: [UInt8]) throws(TokenRecordError) {
        try self.init(bytes: bytes[...])
    }

    /// A record at the beginning of bytes; more may follow it.
    init(prefixOf bytes: ArraySlice<UInt8>) throws(TokenRecordError) {
        guard bytes.count >= Self.headerBytes else { throw .cut(bytes: bytes.count, needed: Self.headerBytes) }
        let (kept, cells) = bytes.withUnsafeBytes { ($0.number(at: 4, as: UInt16.self), $0.number(at: 6, as: UInt16.self)) }
        let count = Self.byteCount(kept: Int(kept), cells: Int(cells))
        guard bytes.count >= count else { throw .cut(bytes: bytes.count, needed: count) }
        try self.init(bytes: bytes.prefix(count))
    }

    private init(bytes: ArraySlice<UInt8>) throws(TokenRecordError) {
        guard bytes.count >= Self.headerBytes else { throw .cut(bytes: bytes.count, needed: Self.headerBytes) }
        typealias Parts = (version: UInt8, view: UInt8, label: UInt16, kept: UInt16, cells: UInt16, image: UInt32)
        let parts: Parts = bytes.withUnsafeBytes {
            ($0[0], $0[1], $0.number(at: 2), $0.number(at: 4), $0.number(at: 6), $0.number(at: 8))
        }
        guard parts.version == Self.version else { throw .otherVersion(Int(parts.version)) }
        let (kept, cells) = (Int(parts.kept), Int(parts.cells))
        let count = Self.byteCount(kept: kept, cells: cells)
        guard bytes.count == count else { throw .cut(bytes: bytes.count, needed: count) }
        typealias Content = (codes: [UInt32], owners: [UInt16], isIntact: Bool)
        let content: Content = bytes.withUnsafeBytes { bytes in
            let stored: UInt32 = bytes.number(at: count - 4)
            return (
                (0..<kept).map { bytes.number(at: Self.headerBytes + 4 * $0) },
                (0..<cells).map { bytes.number(at: Self.headerBytes + 4 * kept + 2 * $0) },
                CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<(count - 4)])) == stored
            )
        }
        guard content.isIntact else { throw .checksum }
        try self.init(
            image: Int(parts.image), view: Int(parts.view), label: Int(parts.label), codes: content.codes, owners: content.owners)
    }
}

/// What is wrong with a record of tokens; `description` is a part of a line, whoever knows the file or the peer says the rest.
public enum TokenRecordError: Error, Equatable, CustomStringConvertible {
    /// So many bytes where so many are needed.
    case cut(bytes: Int, needed: Int)
    case checksum
    case otherVersion(Int)
    case ownerOutside(cell: Int, owner: Int, kept: Int)
    /// A slot that comes before one with a smaller number; `next` would be the next new one.
    case slotsOutOfOrder(cell: Int, owner: Int, next: Int)
    case slotWithoutCell(Int)
    case codeOutside(slot: Int, code: UInt32, bits: Int)
    case labelOutside(label: Int, classes: Int)
    case imageOutside(image: Int, count: Int)
    case viewOutside(view: Int, views: Int)
    /// K is none of the file's.
    case otherKept(Int)
    case otherCells(Int, expected: Int)
    /// A float of a fleet's result that is no code or slot.
    case notWhole(String)
    /// The places behind the last code hold something.
    case notPadded(slot: Int)

    public var description: String {
        switch self {
        case .cut(let bytes, let needed): "it has \(bytes) bytes instead of \(needed)"
        case .checksum: "its bytes do not match their checksum"
        case .otherVersion(let version): "it is of version \(version), this program reads 1"
        case .ownerOutside(let cell, let owner, let kept): "cell \(cell) belongs to slot \(owner) of \(kept)"
        case .slotsOutOfOrder(let cell, let owner, let next): "cell \(cell) belongs to slot \(owner) before slot \(next) has a cell"
        case .slotWithoutCell(let slot): "slot \(slot) has no cell"
        case .codeOutside(let slot, let code, let bits): "slot \(slot) has code \(code), which is none of \(bits) bits"
        case .labelOutside(let label, let classes): "label \(label) is none of \(classes) classes"
        case .imageOutside(let image, let count): "image \(image) is none of \(count)"
        case .viewOutside(let view, let views): "view \(view) is none of \(views)"
        case .otherKept(let kept): "its number of kept tokens, \(kept), is none of the file's"
        case .otherCells(let cells, let expected): "it has \(cells) cells instead of \(expected)"
        case .notWhole(let value): "\(value) is no code or slot of it"
        case .notPadded(let slot): "slot \(slot) is behind its last one and holds a code"
        }
    }
}

extension [UInt8] {
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// The little-endian number at an offset, aligned or not.
    func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Number.Type = Number.self) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}
