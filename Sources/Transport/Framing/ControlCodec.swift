import Fleet
import Foundation

/// The bytes of a control message: the version of the protocol in one byte, then JSON with sorted keys.
package enum ControlCodec {
    /// Why bytes are no control message.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case wrongLength(Int)
        case otherVersion(Int)
        case unreadable(bytes: Int)

        package var description: String {
            switch self {
            case .wrongLength(let count): "control message of \(count) bytes; it may have 1...\(Socket.largestControl)"
            case .otherVersion(let version): "control message of protocol \(version) instead of \(ControlMessage.protocolVersion)"
            case .unreadable(let count): "control message of \(count) bytes that cannot be read"
            }
        }
    }

    /// The bytes of a message. Texts that are too long for a message are a programmer mistake.
    package static func encode(_ message: ControlMessage) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            let json = try encoder.encode(message)
            precondition(json.count <= Socket.largestControl, "a control message of \(json.count) bytes is too long")
            return [UInt8(ControlMessage.protocolVersion)] + json
        } catch {
            preconditionFailure("control message '\(message)' cannot be written: \(error)")
        }
    }

    package static func decode(_ frame: Frame) throws(Failure) -> ControlMessage {
        try frame.withBytes { bytes throws(Failure) in try decode(bytes) }
    }

    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> ControlMessage {
        guard bytes.count > 1, bytes.count <= Socket.largestControl + 1 else { throw .wrongLength(bytes.count) }
        guard bytes[0] == UInt8(ControlMessage.protocolVersion) else { throw .otherVersion(Int(bytes[0])) }
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            return try decoder.decode(ControlMessage.self, from: Data(bytes.dropFirst()))
        } catch {
            throw .unreadable(bytes: bytes.count)
        }
    }
}
