import Failpoints
import Testing

/// What `MVQ_FAIL` may say. That points are reached is shown by the fault catalogue, with real processes.
@Suite struct FaultPlanTests {
    @Test func anEntryNamesPointVisitAndAction() throws {
        let plan = try FaultPlan("worker.compute@3=kill,worker.gradient=flip,checkpoint.write@2+=slow:0.25")
        #expect(plan.faults.count == 3)
        #expect(plan.action(at: .workerCompute, visit: 2) == nil)
        #expect(plan.action(at: .workerCompute, visit: 3) == .kill)
        #expect(plan.action(at: .workerCompute, visit: 4) == nil)
        #expect(plan.action(at: .workerGradient, visit: 1) == .flip)
        #expect(plan.action(at: .checkpointWrite, visit: 1) == nil)
        #expect([2, 3, 100].allSatisfy { plan.action(at: .checkpointWrite, visit: $0) == .slow(seconds: 0.25) })
        #expect(plan.action(at: .workerIdle, visit: 1) == nil)
    }

    @Test func noTextMeansNoFaults() throws { #expect(try FaultPlan("").faults.isEmpty) }

    @Test(arguments: [
        ("worker.lunch=kill", "names no point"), ("worker.compute", "has no single '='"), ("worker.compute@0=kill", "has no visit"),
        ("worker.compute@x=kill", "has no visit"), ("worker.compute=explode", "asks for no known action"),
        ("worker.compute=slow", "asks for no known action"), ("worker.compute=slow:-1", "has no seconds"),
    ])
    func whatCannotBeReadIsRefused(text: String, reason: String) {
        let failure = #expect(throws: FaultPlan.Failure.self) { try FaultPlan(text) }
        #expect(failure?.description.contains(reason) == true && failure?.description.hasPrefix("MVQ_FAIL: '\(text)'") == true)
    }
}
