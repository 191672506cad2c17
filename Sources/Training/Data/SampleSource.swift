import ImageData

/// What a run learns from: numbered samples, the same on every machine that has a copy. Workers without one get a sample's bytes from the
/// coordinator.
public protocol SampleSource: Sendable {
    /// Samples; their ids are `0..<count`.
    var count: Int { get }
    /// A digest that only copies of the same dataset share.
    func fingerprint() throws -> String
    /// Where a sample lies, for complaints.
    func path(of sample: Int) -> String
    /// A sample as it travels.
    func bytes(of sample: Int) throws -> [UInt8]
}

/// Samples are encoded images.
extension ImageFolder: SampleSource {}
