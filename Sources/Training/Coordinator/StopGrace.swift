/// How the time is divided that a stopped run has left: the step at hand, the farewell to the workers, the checkpoints.
struct StopGrace: Sendable {
    /// After so many seconds the process ends in any case, a little before others would end it.
    let seconds: Double
    /// The bytes of a checkpoint.
    private let checkpointBytes: Int

    /// Until the first checkpoint is written, this is taken for the speed of the disk, fsync and verification included.
    private static let assumedBytesPerSecond = 100e6

    /// - Parameter seconds: what the cluster leaves between its signal and SIGKILL.
    init(seconds: Double, checkpointBytes: Int) {
        self.seconds = seconds * 0.9
        self.checkpointBytes = checkpointBytes
    }

    /// How long the workers' answers to the farewell are waited for.
    var farewell: Duration { .seconds(seconds / 8) }

    /// How long the step at hand may take; zero if there is only time for the checkpoint. A quarter is left for the farewell and what cannot be
    /// foreseen, and checkpoints may take twice as long as the last one.
    ///
    /// - Parameters:
    ///   - checkpoints: to be written before the end: the last one, and those before it.
    ///   - secondsEach: what the last one took; nil if none was written yet.
    func patience(checkpoints: Int, secondsEach: Double?) -> Duration {
        let each = secondsEach ?? Double(checkpointBytes) / StopGrace.assumedBytesPerSecond
        return .seconds(max(0, seconds * 3 / 4 - 2 * each * Double(checkpoints)))
    }
}
