import Checkpoints
import Foundation
import ImageData

/// What a run learns from: numbered samples, the same on every machine that has a copy. Workers without one get a sample's bytes from the
/// coordinator.
public protocol SampleSource: Sendable {
    /// Samples; their ids are `0..<count`.
    var count: Int { get }
    /// What only copies of the same dataset share.
    func datasetFingerprint() throws -> String
    /// Where a sample lies, for complaints.
    func path(of sample: Int) -> String
    /// A sample as it travels.
    func bytes(of sample: Int) throws -> [UInt8]
    /// What a checkpoint should say about the source.
    var attributes: [String: AttributeValue] { get }
}

extension SampleSource {
    public var attributes: [String: AttributeValue] { [:] }
}

/// Samples are encoded images.
extension ImageFolder: SampleSource {
    public func datasetFingerprint() throws -> String { try fingerprint() }
}

/// Samples are records of tokens.
extension TokenFile: SampleSource {
    public func datasetFingerprint() -> String { fingerprint }
    public func path(of sample: Int) -> String { "\(path) record \(sample)" }
    public var attributes: [String: AttributeValue] {
        ["class_names": header.attributes["class_names"] ?? .string("[]"), "tokenizer_sha256": .string(header.tokenizerDigest)]
    }
}

/// A dataset of whatever kind.
public enum SampleSources {
    /// A file of tokens, or a folder of images.
    ///
    /// - Throws: `DatasetError`, `TokenFileError`
    public static func open(_ path: String) throws -> any SampleSource {
        let isFile = FileManager.default.fileExists(atPath: path) && !ImageFolder.isFolder(path)
        return isFile ? try TokenFile(path: path) : try ImageFolder(root: path, split: "train")
    }
}
