import Fleet
import TensorCore

/// A coordinator's run, whatever it computes.
public protocol HeadRun: AnyObject, Sendable {
    /// Works until all is done, the run is told to stop, or it cannot go on.
    func run() -> FleetExit
    /// Ends the run from any thread, within the grace; `run()` returns exit code 75.
    func requestStop()
    /// When a run that was asked to stop has to be over, whatever it is doing: somewhat before the grace is.
    var graceSeconds: Double { get }
}

extension CoordinatorRun: HeadRun {}
extension MapRun: HeadRun {}

/// What every run makes of its options.
extension CoordinatorConfiguration {
    mutating func apply(_ options: CoordinatorOptions, grace: StopGrace) {
        numericClassMend = NumericEnvironment.mend(forClass: numericClass)
        minimumWorkers = options.minimumWorkers
        auditShare = options.auditShare
        timing.gatherTimeout = .seconds(options.gatherSeconds)
        timing.heartbeat = .seconds(options.livenessSeconds / 10)
        timing.liveness = .seconds(options.livenessSeconds)
        timing.progress = .seconds(options.livenessSeconds)
        timing.overdue = .seconds(options.livenessSeconds)
        chunkBytes = options.chunkBytes
        timing.farewell = min(timing.farewell, grace.farewell)
    }
}

extension CoordinatorOptions {
    static func insecureWarning(_ endpoint: String) -> String {
        "INSECURE: whoever reaches \(endpoint) can take part in this run and read its images and weights; give --keys instead"
    }
}

extension FleetExit {
    /// An end of the fleet in words that name files and addresses, which the layers below do not know.
    ///
    /// - Parameters:
    ///   - poison: the samples of a slot that kills workers.
    ///   - count: samples of the dataset, and `path`: where each lies.
    func named(endpoint: String, poison: [Int]?, count: Int, path: (Int) -> String) -> FleetExit {
        switch exitCode {
        case ExitCode.badData, ExitCode.diverged:
            FleetExit(
                exitCode: exitCode,
                text: RemoteSample.resolve(
                    text + (poison.map { "; the slot's images are \(RemoteSample.names($0))" } ?? ""), count: count, path: path))
        case ExitCode.unavailable: FleetExit(exitCode: exitCode, text: "\(endpoint): \(text)")
        default: self
        }
    }
}
