import Synchronization

/// A sample's bytes, and its name for complaints.
package typealias EncodedSample = (name: String, bytes: [UInt8])

/// A worker's samples: those of its own copy of the dataset, or what the coordinator sent.
final class SampleStore: Sendable {
    private let source: (any SampleSource)?
    private let fetched = Mutex<[Int: [UInt8]]>([:])

    /// - Parameter source: nil when the coordinator sends the samples.
    init(source: (any SampleSource)?) { self.source = source }

    /// Which of the samples have to be fetched. Fetched ones that are not among them make room: what another block needed is of no use any
    /// more, a sample is seen once an epoch.
    func missing(of wanted: [Int]) -> [Int] {
        guard source == nil else { return [] }
        return fetched.withLock { held in
            held = held.filter { wanted.contains($0.key) }
            return wanted.filter { held[$0] == nil }
        }
    }

    /// Keeps a fetched sample.
    func store(_ id: Int, _ bytes: [UInt8]) {
        fetched.withLock { $0[id] = bytes }
    }

    /// Drops what was fetched.
    func removeAll() {
        fetched.withLock { $0 = [:] }
    }

    /// A sample; nil for a fetched one that made room for those of a newer block, so that this one is no longer wanted.
    func encoded(_ id: Int) throws -> EncodedSample? {
        if let source { return (source.path(of: id), try source.bytes(of: id)) }
        return fetched.withLock { $0[id] }.map { (RemoteSample.name(id), $0) }
    }
}
