import Fleet
internal import CZeroMQ

/// A public key of CurveZMQ: 32 bytes, written in Z85 as 40 characters. It names a peer.
public struct CurveKey: Hashable, Sendable, CustomStringConvertible {
    /// The key in Z85.
    public let text: String

    /// Reads exactly 40 characters of Z85; nil for anything else.
    public init?(_ text: String) {
        guard z85Bytes(text) != nil else { return nil }
        self.text = text
    }

    /// The key of these 32 bytes.
    init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 32, let start = bytes.baseAddress else { return nil }
        var characters = [CChar](repeating: 0, count: 41)
        guard zmq_z85_encode(&characters, start.assumingMemoryBound(to: UInt8.self), 32) != nil else { return nil }
        text = string(characters)
    }

    /// The first eight characters, for log lines.
    public var short: String { String(text.prefix(8)) }
    public var description: String { text }
}

/// A secret key and the public one that belongs to it. It has no description: secrets do not get into logs by accident.
public struct KeyPair: Sendable {
    public let publicKey: CurveKey
    /// The secret key in Z85.
    let secret: String

    /// A new pair, from the system's random numbers.
    ///
    /// - Throws: `TransportError.failed` if the messaging library cannot encrypt.
    public static func random() throws(TransportError) -> KeyPair {
        try requireEncryption()
        var (open, hidden) = ([CChar](repeating: 0, count: 41), [CChar](repeating: 0, count: 41))
        guard zmq_curve_keypair(&open, &hidden) == 0, let pair = KeyPair(secret: string(hidden)) else {
            throw .failed(call: "zmq_curve_keypair", address: "this process", reason: lastReason())
        }
        return pair
    }

    /// The pair of a secret key in Z85; nil if the text is none.
    init?(secret: String) {
        var open = [CChar](repeating: 0, count: 41)
        guard z85Bytes(secret) != nil, zmq_curve_public(&open, secret) == 0, let key = CurveKey(string(open)) else { return nil }
        publicKey = key
        self.secret = secret
    }
}

/// Checks that the messaging library encrypts, and that it is none of the versions with known holes (before 4.3.4: memory growth and overflows that
/// need no key to reach).
func requireEncryption() throws(TransportError) {
    var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
    zmq_version(&major, &minor, &patch)
    guard (major, minor, patch) >= (4, 3, 4), zmq_has("curve") == 1 else {
        throw .noEncryption(library: "ZeroMQ \(major).\(minor).\(patch)" + (zmq_has("curve") == 1 ? "" : " without CURVE"))
    }
}

/// The 32 bytes of a key in Z85.
func z85Bytes(_ text: String) -> [UInt8]? {
    guard text.utf8.count == 40, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
    var bytes = [UInt8](repeating: 0, count: 32)
    return zmq_z85_decode(&bytes, text) == nil ? nil : bytes
}

/// Characters up to the first zero.
private func string(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
