/// All rows, by number.
public enum Catalogue {
    public static let rows: [FaultRow] = [
        WorkerRows.any, WorkerRows.killed, WorkerRows.allKilled, CoordinatorRows.killed, CoordinatorRows.powerCut, JournalRows.tornTail,
        WorkerRows.stopped, CoordinatorRows.stopped, NetworkRows.partition, NetworkRows.halfOpen, NetworkRows.badLink, CoordinatorRows.second,
        CoordinatorRows.revenant, WorkerRows.slow, WorkerRows.flapping, PeerRows.storm, PeerRows.replay, PeerRows.malformed, PeerRows.oversized,
        PeerRows.foreign, KeyRows.wrongKey, KeyRows.spoofed, NumberRows.otherClass, NumberRows.flippedBit, NumberRows.notFinite,
        DiskRows.full, DiskRows.failing, CheckpointRows.damaged, CheckpointRows.killedPublishing, SystemRows.clock, SystemRows.terminated,
        DataRows.corruptImage, SystemRows.limits, DataRows.poison, WorkerRows.upgraded, SoakRow.soak, WorkerRows.walk,
    ]

    /// The row of a number; nil if there is none.
    public static func row(_ number: Int) -> FaultRow? { rows.first { $0.number == number } }
}
