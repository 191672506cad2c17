internal import Checksums
import Foundation

/// The JSON file beside a checkpoint that says what its bytes must be. Its own last field is the SHA-256 of all the
/// bytes before that field, so a change anywhere in it shows.
struct CheckpointManifest: Codable, Equatable {
    var format = "mergevq-checkpoint-manifest"
    var version = 1
    /// Finished steps.
    let step: Int
    /// The checkpoint's file name.
    let file: String
    /// Its size.
    let bytes: Int
    /// Its SHA-256.
    let sha256: String
    /// SHA-256 of the manifest published before this one; nil for the first.
    let previous: String?
    /// Every dataset, sorted by path.
    let datasets: [DatasetDigest]

    /// Where the manifest of a checkpoint file lies.
    static func path(of checkpoint: String) -> String {
        (checkpoint as NSString).deletingPathExtension + ".json"
    }

    private static let ending = "\n}"

    private static func seal(_ body: [UInt8]) -> [UInt8] {
        let digest = body.withUnsafeBytes { SHA256.digest(of: $0) }
        return body + Array(",\n  \"manifest_sha256\" : \"\(digest)\"\n}\n".utf8)
    }

    /// The bytes of the manifest file.
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let json = Array(try encoder.encode(self))
        precondition(json.suffix(2) == Array(Self.ending.utf8), "the JSON encoder ends an object in an unknown way")
        return Self.seal(Array(json.dropLast(Self.ending.utf8.count)))
    }

    /// Reads and checks a manifest file. Throws `CheckpointError.damagedManifest` or `FileError`.
    static func load(_ path: String) throws -> CheckpointManifest {
        let bytes = try FileSystem.read(path)
        let tail = seal([]).count
        guard bytes.count > tail, seal(Array(bytes.dropLast(tail))) == bytes else {
            throw CheckpointError.damagedManifest(file: path, reason: "its own digest does not match")
        }
        let manifest: CheckpointManifest
        do {
            manifest = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch {
            throw CheckpointError.damagedManifest(file: path, reason: "it is no manifest of this version")
        }
        guard manifest.format == "mergevq-checkpoint-manifest", manifest.version == 1 else {
            throw CheckpointError.damagedManifest(
                file: path, reason: "it is \(manifest.format) version \(manifest.version), expected version 1")
        }
        return manifest
    }
}
