import Foundation
import Synchronization

/// Injects the faults that the environment variable `MVQ_FAIL` asks for (`FaultPlan`), for tests and drills.
///
/// The one piece of state that belongs to the process and not to an object: what it does, kill and stop, is done to the process. Without the
/// variable a visit costs reading one constant.
public enum Failpoints {
    private static let text = ProcessInfo.processInfo.environment["MVQ_FAIL"] ?? ""
    private static let plan = try? FaultPlan(text)
    private static let isOn = plan.map { !$0.faults.isEmpty } ?? false
    private static let visits = Mutex<[Failpoint: Int]>([:])

    /// Checks `MVQ_FAIL` and says what it asks for; nil when it is not set. Call it first in a command.
    ///
    /// - Throws: `FaultPlan.Failure` if it cannot be read.
    public static func warning() throws(FaultPlan.Failure) -> String? {
        guard !text.isEmpty else { return nil }
        _ = try FaultPlan(text)
        return "MVQ_FAIL is set: this process will fail on purpose (\(text))"
    }

    /// Whether the plan has a fault at a point: for places that have to prepare one.
    public static func isPlanned(_ point: Failpoint) -> Bool {
        isOn && plan?.faults.contains { $0.point == point } == true
    }

    /// Comes by a point: kills, stops or slows the process if the plan says so.
    ///
    /// - Returns: `flip` or `nan`, for the caller to do; nil otherwise.
    @discardableResult
    public static func reach(_ point: Failpoint) -> FaultPlan.Action? {
        guard isOn, let plan else { return nil }
        let visit = visits.withLock { visits in
            visits[point, default: 0] += 1
            return visits[point] ?? 0
        }
        switch plan.action(at: point, visit: visit) {
        case nil: return nil
        case .kill: kill(getpid(), SIGKILL)
        case .stop: kill(getpid(), SIGSTOP)
        case .slow(let seconds): Thread.sleep(forTimeInterval: seconds)
        case .flip: return .flip
        case .nan: return .nan
        }
        return nil
    }
}
