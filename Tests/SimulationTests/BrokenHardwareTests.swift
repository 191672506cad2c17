import Fleet
import Simulation
import Testing

/// Machines that compute wrongly, hang, or die of a sample.
@Suite struct BrokenHardwareTests {
    private func course(_ scenario: Scenario, stopsAtViolation: Bool = true) -> (outcome: SimulationOutcome, events: [FleetEvent]) {
        let simulator = Simulator(scenario)
        simulator.stopsAtViolation = stopsAtViolation
        var events: [FleetEvent] = []
        simulator.onFleetEvent = { events.append($0) }
        return (simulator.run(), events)
    }

    private func quarantines(_ events: [FleetEvent]) -> [Quarantine] {
        events.compactMap { if case .quarantined(let quarantine) = $0 { quarantine } else { nil } }
    }

    /// Every block of one machine is wrong. With every block computed twice and two right machines beside it, no wrong bit is committed: the
    /// machine goes, the steps that it has a part in begin anew, and the run equals the undisturbed one.
    @Test func aMachineThatComputesWronglyIsFound() {
        var seeds = 0
        for seed: UInt64 in 1...60 {
            var scenario = Scenario(drawnFrom: seed, workers: 3 + Int(seed % 4), faults: 0)
            (scenario.auditShare, scenario.faultyWorker) = (1, Int(seed % 3))
            let (outcome, events) = course(scenario)
            #expect(outcome.violations.isEmpty && outcome.exit?.exitCode == 0, "\(outcome.violations) \(String(describing: outcome.exit))")
            let found = quarantines(events)
            for quarantine in found {
                #expect(quarantine.name.hasPrefix("host\(seed % 3):"), "seed \(seed): \(quarantine)")
                #expect(quarantine.rightDigest != nil && quarantine.rightDigest != quarantine.digest)
            }
            // Twice as long each time.
            for (count, quarantine) in found.prefix(5).enumerated() { #expect(quarantine.duration == .seconds(60 << count)) }
            let restarted = events.contains { if case .stepRestarted = $0 { true } else { false } }
            if restarted { seeds += 1 }
            #expect(!restarted || !found.isEmpty)
        }
        // In the others it was too slow to have a part in anything.
        #expect(seeds > 30, "\(seeds)")
    }

    /// Two workers, one wrong always: each repeats its own result, nobody can tell, and the run stops instead of guessing.
    @Test func twoMachinesThatDifferAlwaysStopTheRun() {
        var scenario = Scenario(seed: 6)
        (scenario.faults, scenario.workers, scenario.auditShare, scenario.faultyWorker) = (0, 2, 1, 1)
        let (outcome, events) = course(scenario, stopsAtViolation: false)
        #expect(outcome.exit?.exitCode == 67 && outcome.committedSteps == 0)
        #expect(outcome.exit?.text.contains("nobody can tell which is right") == true)
        #expect(events.contains { if case .undecided(0, _) = $0 { true } else { false } })
        #expect(!outcome.violations.contains { $0.invariant != .completion })
    }

    /// One flipped bit, once, with two workers or one: the machine does not repeat its own result, so it is known which it was.
    @Test(arguments: [1, 2, 3]) func oneFlippedBitIsFound(workers: Int) {
        var found = 0
        for seed: UInt64 in 1...30 {
            var scenario = Scenario(drawnFrom: seed, workers: workers, faults: 2)
            (scenario.auditShare, scenario.kinds, scenario.minimumWorkers) = (1, [.bitFlip], 1)
            let (outcome, events) = course(scenario)
            #expect(outcome.violations.isEmpty && outcome.exit?.exitCode == 0, "seed \(seed): \(outcome.violations)")
            found += quarantines(events).count
        }
        #expect(found > 10)
    }

    /// Where nothing is computed twice, the same machine spoils the run: the oracle sees it.
    @Test func withoutChecksItWouldPass() {
        var scenario = Scenario(seed: 2)
        (scenario.faults, scenario.faultyWorker) = (0, 0)
        let (outcome, _) = course(scenario)
        #expect(outcome.violations.first?.invariant == .reference)
        #expect(outcome.violations.first?.text.contains("gradient digest") == true)
    }

    /// A share of a hundredth: so many steps, the same ones for everybody, and each of them whole.
    @Test func aHundredthOfTheStepsIsComputedTwice() {
        var scenario = SchedulingTests.fleet(workers: 3, slots: 4, steps: 2000)
        scenario.auditShare = 0.01
        let (outcome, events) = course(scenario)
        #expect(outcome.violations.isEmpty && outcome.exit?.exitCode == 0)
        var (finished, checked): ([Int: Set<SlotBlock>], [Int: Set<SlotBlock>]) = ([:], [:])
        for event in events {
            switch event {
            case .blockFinished(_, let step, let block, _): finished[step, default: []].insert(block)
            case .checked(_, let step, let block): checked[step, default: []].insert(block)
            default: break
            }
        }
        #expect((8...35).contains(checked.count), "\(checked.count) of 2000 steps")
        for (step, blocks) in checked { #expect(blocks == finished[step]) }
    }

    /// A slot that kills every worker stops the run with exit 65 and names the slot, after few losses.
    @Test(arguments: [(1, 5), (2, 6), (5, 8), (6, 8)]) func aPoisonedSlotStopsTheRun(level: Int, workers: Int) {
        var scenario = Scenario(seed: 5)
        (scenario.faults, scenario.workers, scenario.slots, scenario.steps) = (0, workers, 1 << level, 2)
        (scenario.poisonLosses, scenario.poisonedSlot) = (2, (1 << level) - 1)
        let (outcome, events) = course(scenario, stopsAtViolation: false)
        #expect(outcome.exit?.exitCode == 65)
        #expect(outcome.exit?.text.contains("vanished one after the other while computing slot \((1 << level) - 1) of step 0 alone") == true)
        let losses = events.count { if case .lost = $0 { true } else { false } }
        #expect((2...4).contains(losses), "\(losses)")
    }

    /// All machines die in the same second: that is no slot's fault.
    @Test func aRackThatDiesIsNotPoison() {
        for seed: UInt64 in 1...60 {
            var scenario = Scenario(drawnFrom: seed, workers: 6, faults: 1)
            (scenario.kinds, scenario.poisonLosses, scenario.slots) = ([.allWorkersLost], 2, 16)
            let (outcome, _) = course(scenario)
            #expect(outcome.exit?.exitCode == 0, "seed \(seed): \(String(describing: outcome.exit))")
        }
    }
}
