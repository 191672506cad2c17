internal import CCrypto

/// SHA-256 of byte ranges, by the system's libcrypto (hardware instructions where the CPU has them).
///
/// ```swift
/// var hash = SHA256()
/// hash.update(bytes)
/// let digest = hash.finish()   // 64 hexadecimal digits
/// ```
public struct SHA256: ~Copyable {
    private let context: OpaquePointer

    public init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto offers no SHA-256")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes to the message.
    public func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        precondition(EVP_DigestUpdate(context, base, bytes.count) == 1, "SHA-256 update failed")
    }

    /// Adds the UTF-8 bytes of a text to the message.
    public func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// Ends the message: its digest as 64 lower-case hexadecimal digits.
    public consuming func finish() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        precondition(EVP_DigestFinal_ex(context, &digest, nil) == 1, "SHA-256 did not finish")
        return hexadecimal(digest)
    }

    /// The digest of one byte range.
    public static func digest(of bytes: UnsafeRawBufferPointer) -> String {
        let hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// The digest of a text's UTF-8 bytes.
    public static func digest(of text: String) -> String {
        let hash = SHA256()
        hash.update(text)
        return hash.finish()
    }
}

/// Lower-case hexadecimal digits of bytes.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef")
    var text = ""
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return text
}
