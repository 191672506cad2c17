import Checksums
import Fleet

/// The 128 bytes before the payload of every bulk message: fixed places, little-endian, a checksum of their own.
///
/// | bytes | field |
/// |---|---|
/// | 0-3 | `MVQB` |
/// | 4-5 | version of the protocol |
/// | 6 | kind |
/// | 7 | 0 |
/// | 8-23 | run id, in the order of its hexadecimal digits |
/// | 24-39 | session id, likewise |
/// | 40-47 | generation |
/// | 48-55 | step |
/// | 56-63 | index of the block, or id of the sample |
/// | 64-67 | level of the block |
/// | 68-71 | chunk |
/// | 72-75 | number of chunks |
/// | 76-79 | payload length |
/// | 80-87 | offset of the payload in the whole |
/// | 88-95 | length of the whole |
/// | 96-99 | CRC-32C of the payload |
/// | 100-123 | 0 |
/// | 124-127 | CRC-32C of bytes 0-123 |
package enum BulkHeaderCodec {
    package static let byteCount = 128
    private static let magic: [UInt8] = Array("MVQB".utf8)

    /// Why bytes are no bulk message.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case wrongLength(Int)
        case wrongMagic
        case wrongVersion(Int)
        case wrongChecksum
        case wrongField(String)
        case wrongPayloadLength(announced: Int, received: Int)
        case wrongPayloadChecksum

        package var description: String {
            switch self {
            case .wrongLength(let count): "bulk header of \(count) bytes instead of \(byteCount)"
            case .wrongMagic: "bulk header without its mark"
            case .wrongVersion(let version): "bulk header of protocol \(version) instead of \(ControlMessage.protocolVersion)"
            case .wrongChecksum: "bulk header with a wrong checksum"
            case .wrongField(let name): "bulk header with an impossible \(name)"
            case .wrongPayloadLength(let announced, let received): "bulk payload of \(received) bytes instead of \(announced)"
            case .wrongPayloadChecksum: "bulk payload with a wrong checksum"
            }
        }
    }

    /// The 128 bytes of a header.
    package static func encode(_ header: BulkHeader) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func append<Kind>(_ id: Identifier<Kind>) {
            for word in [id.high, id.low] { withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) } }
        }
        bytes += magic
        append(UInt16(ControlMessage.protocolVersion))
        append(header.kind.rawValue)
        append(UInt8(0))
        append(header.runID)
        append(header.session)
        append(header.generation)
        append(UInt64(header.step))
        append(UInt64(header.index))
        append(UInt32(header.level))
        append(UInt32(header.chunk))
        append(UInt32(header.chunkCount))
        append(UInt32(header.payloadBytes))
        append(UInt64(header.offset))
        append(UInt64(header.totalBytes))
        append(header.payloadChecksum)
        bytes += [UInt8](repeating: 0, count: byteCount - 4 - bytes.count)
        append(bytes.withUnsafeBytes { CRC32C.checksum($0) })
        return bytes
    }

    /// Reads and checks a header and its payload.
    static func decode(_ header: Frame, payload: Frame) throws(Failure) -> BulkHeader {
        try header.withBytes { header throws(Failure) in
            try payload.withBytes { payload throws(Failure) in try decode(header, payload: payload) }
        }
    }

    /// Reads and checks a header and its payload.
    package static func decode(
        _ bytes: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
    ) throws(Failure) -> BulkHeader {
        guard bytes.count == byteCount else { throw .wrongLength(bytes.count) }
        guard bytes.starts(with: magic) else { throw .wrongMagic }
        func read<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type) -> Value {
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
        }
        func id<Kind>(_ offset: Int) -> Identifier<Kind> {
            Identifier(high: read(offset, as: UInt64.self).byteSwapped, low: read(offset + 8, as: UInt64.self).byteSwapped)
        }
        let version = Int(read(4, as: UInt16.self))
        guard version == ControlMessage.protocolVersion else { throw .wrongVersion(version) }
        guard CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<124])) == read(124, as: UInt32.self) else {
            throw .wrongChecksum
        }
        guard let kind = BulkKind(rawValue: bytes[6]) else { throw .wrongField("kind") }
        guard bytes[7] == 0, bytes[100..<124].allSatisfy({ $0 == 0 }) else { throw .wrongField("reserved byte") }
        func number(_ offset: Int, _ name: String) throws(Failure) -> Int {
            guard let value = Int(exactly: read(offset, as: UInt64.self)), value < 1 << 62 else { throw .wrongField(name) }
            return value
        }
        let header = BulkHeader(
            kind: kind, runID: id(8), generation: read(40, as: UInt64.self), session: id(24),
            step: try number(48, "step"), level: Int(read(64, as: UInt32.self)), index: try number(56, "index"),
            chunk: Int(read(68, as: UInt32.self)), chunkCount: Int(read(72, as: UInt32.self)), offset: try number(80, "offset"),
            payloadBytes: Int(read(76, as: UInt32.self)), totalBytes: try number(88, "length"),
            payloadChecksum: read(96, as: UInt32.self))
        guard payload.count == header.payloadBytes else {
            throw .wrongPayloadLength(announced: header.payloadBytes, received: payload.count)
        }
        guard CRC32C.checksum(payload) == header.payloadChecksum else { throw .wrongPayloadChecksum }
        return header
    }
}
