internal import Checksums

/// The digest over texts and numbers that files written here carry as `mvq_digest`: any change of them shows, also in files that were copied or
/// edited by other programs.
enum SafetensorsDigest {
    static let key = "mvq_digest"

    /// - Parameter tensors: in the order of the file, each with the SHA-256 of its bytes.
    static func digest(of tensors: [(tensor: SafetensorsHeader.Tensor, sha256: String)], metadata: [String: String]) -> String {
        let hash = SHA256()
        hash.update("mergevq-safetensors 1\n")
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) where name != key { hash.update("text \(name) \(value.utf8.count) \(value)\n") }
        for (tensor, sha256) in tensors { hash.update("tensor \(tensor.name) \(tensor.type.rawValue) \(tensor.shape) \(sha256)\n") }
        return hash.finish()
    }
}
