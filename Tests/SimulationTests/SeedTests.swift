import Fleet
import Simulation
import Testing

/// Seeded fleets full of faults: whatever happens, every invariant holds and the run equals the undisturbed one.
@Suite struct SeedTests {
    /// Runs the scenario, and expects that it completes without a violation.
    @discardableResult
    private func holds(_ scenario: Scenario, _ arguments: String = "", sourceLocation: SourceLocation = #_sourceLocation) -> SimulationOutcome {
        let outcome = Simulator(scenario).run()
        let finding = outcome.violations.first?.description ?? "\(String(describing: outcome.exit))"
        #expect(
            outcome.violations.isEmpty && outcome.exit?.exitCode == 0,
            "\(finding); mvq simulate --seeds \(scenario.seed)..\(scenario.seed)\(arguments) --trace", sourceLocation: sourceLocation)
        return outcome
    }

    @Test(arguments: 0..<20) func twoThousandSmallFleets(group: UInt64) {
        var totals = SimulationTotals()
        for seed in group * 100 + 1...group * 100 + 100 { totals.add(holds(Scenario(drawnFrom: seed))) }
        #expect(totals.seeds == 100 && totals.violations.isEmpty)
        // Every kind of fault came to pass, and journaled steps were computed again.
        for kind in Fault.scheduled + [.duplicate, .bitFlip] { #expect(totals.faults[kind, default: 0] > 0, "\(kind) in group \(group)") }
        #expect(totals.replayedSteps > 0 && totals.generations > totals.seeds)
    }

    /// Beyond the two thousand: a result that arrived twice passed for the second computation (7099); checks were given to nobody else when nothing
    /// was known of anybody's pace (47550); a worker that hangs was waited for in every step anew (50000, 76277), for as long as a guess of its pace
    /// said (577); nobody was started when the coordinator asked for another worker (1327,
    /// 2751, 5659); a slot was kept for a worker that hangs (503458).
    @Test(arguments: [577, 1327, 2751, 5659, 7099, 47550, 50000, 76277, 503_458] as [UInt64]) func seedsThatFoundSomething(seed: UInt64) {
        holds(Scenario(drawnFrom: seed))
    }

    @Test(arguments: Fault.scheduled) func oneKindOfFaultOverAndOver(kind: Fault) {
        var count = 0
        for seed: UInt64 in 1...25 {
            var scenario = Scenario(drawnFrom: seed, faults: 12)
            scenario.kinds = [kind]
            let outcome = Simulator(scenario).run()
            #expect(outcome.violations.isEmpty && outcome.exit?.exitCode == 0, "seed \(seed): \(outcome.violations)")
            count += outcome.faults[kind, default: 0]
        }
        #expect(count > 25, "\(count) faults are few")
    }

    @Test func aThousandWorkers() {
        let outcome = holds(Scenario(drawnFrom: 1, workers: 1000, steps: 50), " --workers 1000 --steps 50")
        #expect(outcome.committedSteps == 50 && outcome.processes >= 1000)
        #expect(outcome.faults.values.reduce(0, +) > 50)
    }

    @Test(arguments: [UInt64](2...5)) func threeHundredWorkers(seed: UInt64) {
        holds(Scenario(drawnFrom: seed, workers: 300, steps: 10), " --workers 300 --steps 10")
    }

    /// Seed 1 found it: in a large fleet the coordinator always has something to do, and put its tick, with all heartbeats, off for ever; so workers
    /// that waited or computed for longer than the liveness deadline took it for dead.
    @Test func aLargeFleetWithoutFaultsLosesNobody() {
        var scenario = Scenario(drawnFrom: 1, workers: 200, steps: 2, faults: 0)
        scenario.slotSeconds = 12...13
        var lost: [String] = []
        let simulator = Simulator(scenario)
        simulator.onFleetEvent = { if case .lost = $0 { lost.append($0.description) } }
        let outcome = simulator.run()
        #expect(lost.isEmpty && outcome.violations.isEmpty, "\(lost.prefix(3)) \(outcome.violations)")
        #expect(outcome.processes == 200 && outcome.exit?.exitCode == 0)
    }

    /// Seed 13 found it: a worker that fetched its samples over a slow line was given up for lack of progress.
    @Test func aSlowLineLosesNobody() {
        let outcome = holds(Scenario(drawnFrom: 13))
        #expect(outcome.scenario.faults == 0 && outcome.scenario.latency.upperBound == 3 && outcome.scenario.datasetShare < 1)
    }
}
