import Checksums
import Fleet

/// What survives a coordinator: its generation, the newest checkpoint, and the bytes of the journal, the last line perhaps torn.
struct SimulatedDisk {
    struct Checkpoint {
        var step: Int
        var weights: ToyTraining.Vector
        var audit: ToyTraining.Audit
    }

    var generation: UInt64 = 0
    var checkpoint = Checkpoint(step: 0, weights: ToyTraining.firstWeights, audit: .init(epoch: 0))
    var journal: [UInt8] = []

    /// Reads and verifies the journal; a torn last line is cut off, as the run directory does it.
    mutating func readJournal() throws(JournalError) -> Journal {
        let read = try Journal(reading: String(decoding: journal, as: UTF8.self)) { SHA256.digest(of: $0) }
        guard read.tornTail != nil else { return read }
        journal.removeLast(journal.count - read.intactBytes)
        return try Journal(reading: String(decoding: journal, as: UTF8.self)) { SHA256.digest(of: $0) }
    }
}
