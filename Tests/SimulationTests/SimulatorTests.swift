import Fleet
import Simulation
import Testing

/// The simulator itself: it repeats itself, it is not blind, and its oracle can fail.
@Suite struct SimulatorTests {
    private func trace(_ seed: UInt64) -> [String] {
        let simulator = Simulator(Scenario(drawnFrom: seed))
        var lines: [String] = []
        simulator.trace = { lines.append($0) }
        _ = simulator.run()
        return lines
    }

    @Test func aSeedHasOneHistory() {
        let histories = [11, 11, 12].map { trace($0) }
        let (isSame, differs) = (histories[0] == histories[1], histories[0] != histories[2])
        #expect(isSame && differs)
        #expect(histories[0].count > 1000)
        #expect(histories[0].contains { $0.contains(" FAULT ") } && histories[0].contains { $0.contains("coordinator -> mergeBlock") })
    }

    /// Without faults every message is of use, and every worker hears of the end.
    @Test func nothingIsWastedInACalmFleet() {
        var scenario = Scenario(seed: 3)
        scenario.faults = 0
        scenario.duplicates = 0
        let simulator = Simulator(scenario)
        var (dropped, left) = ([FleetEvent](), 0)
        simulator.onFleetEvent = { event in
            switch event {
            case .dropped, .lost, .refused, .mismatch: dropped.append(event)
            case .left: left += 1
            default: break
            }
        }
        var ends = 0
        simulator.trace = { if $0.contains("worker"), $0.contains("-> finished("), $0.contains("training complete") { ends += 1 } }
        let outcome = simulator.run()
        #expect(outcome.exit == FleetExit(exitCode: 0, text: "training complete"))
        #expect(outcome.violations.isEmpty && dropped.isEmpty && left == 0, "\(dropped)")
        #expect(ends == 3)
        #expect(outcome.committedSteps == 6 && outcome.replayedSteps == 0 && outcome.generations == 1 && outcome.faults.isEmpty)
    }

    /// A worker with another configuration would derive other plans: it ends the run before it computes anything.
    @Test func anotherPlanEndsTheRun() {
        var scenario = Scenario(seed: 8)
        (scenario.faults, scenario.differingWorker) = (0, 1)
        let simulator = Simulator(scenario)
        simulator.stopsAtViolation = false
        let outcome = simulator.run()
        #expect(outcome.exit?.exitCode == 78)
        #expect(outcome.exit?.text.contains("kept_tokens") == true)
        let wrong = outcome.violations.filter { $0.invariant != .completion }
        #expect(wrong.isEmpty)
    }

    /// A machine that computes wrongly is found when another one repeats its work.
    @Test func duplicatedWorkUncoversAFaultyMachine() {
        var found = 0
        for seed: UInt64 in 0..<40 {
            var scenario = Scenario(seed: seed)
            (scenario.faults, scenario.workers, scenario.slots, scenario.faultyWorker) = (0, 4, 4, 0)
            scenario.slotSeconds = 0.1...30
            scenario.latency = 0.001...12
            let simulator = Simulator(scenario)
            simulator.stopsAtViolation = false
            var (culprits, mismatches): (Set<SessionID>, [(SessionID, SessionID)]) = ([], [])
            simulator.onFleetEvent = { event in
                switch event {
                case .joined(let session, let name, _) where name.hasPrefix("host0:"): culprits.insert(session)
                case .mismatch(_, _, let first, _, let second, _): mismatches.append((first, second))
                default: break
                }
            }
            _ = simulator.run()
            found += mismatches.count
            for (first, second) in mismatches { #expect(culprits.contains(first) != culprits.contains(second), "seed \(seed)") }
        }
        #expect(found > 0)
    }
}
