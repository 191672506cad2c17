import Fleet
import Testing

@Suite struct SimulationTests {
    /// Crashes, broken and silent connections, joins, departures, hangs, duplicated messages and coordinator restarts:
    /// every step has the bits of the undisturbed run, every slot is merged exactly once, and the run ends.
    @Test(arguments: 0..<8) func everyRunEqualsTheUndisturbedOne(group: Int) {
        for seed in group * 50..<(group + 1) * 50 {
            var random = SeededGenerator(seed: UInt64(seed))
            var setup = Simulator.Setup(seed: UInt64(seed))
            setup.workers = Int.random(in: 1...6, using: &random)
            setup.slots = 1 << Int.random(in: 0...6, using: &random)
            setup.faults = Int.random(in: 0...16, using: &random)
            setup.minimumWorkers = Int.random(in: 1...2, using: &random)
            let simulator = Simulator(setup)
            simulator.run()
            #expect(simulator.exit?.exitCode == 0, "seed \(seed): \(simulator.exit?.text ?? "the run did not end")")
            #expect(simulator.complaints.isEmpty, "seed \(seed): \(simulator.complaints.prefix(3))")
            let mismatches = simulator.events.filter { if case .mismatch = $0 { true } else { false } }
            #expect(mismatches.isEmpty, "seed \(seed): \(mismatches)")
        }
    }

    /// The oracle above can fail: a seed has one outcome, and other slots give other roots.
    @Test func aSeedHasOneHistory() {
        let histories = [11, 11, 12].map { (seed: UInt64) in
            let simulator = Simulator(.init(seed: seed))
            simulator.run()
            return simulator.events.map(\.description)
        }
        #expect(histories[0] == histories[1])
        #expect(histories[0] != histories[2])
        #expect(Toy.undisturbed(steps: 2, slots: 4).roots != Toy.undisturbed(steps: 2, slots: 8).roots)
    }

    @Test func undisturbedWorkersAreAllToldToGoHome() {
        var setup = Simulator.Setup(seed: 3)
        setup.faults = 0
        setup.duplicates = 0
        let simulator = Simulator(setup)
        simulator.run()
        #expect(simulator.exit == FleetExit(exitCode: 0, text: "training complete"))
        for worker in simulator.workers where worker.exit != nil { #expect(worker.exit?.exitCode == 0) }
        #expect(simulator.workers.prefix(3).allSatisfy { $0.exit != nil })
        let wasted = simulator.events.filter { if case .dropped = $0 { true } else { false } }
        #expect(wasted.isEmpty, "\(wasted)")
    }

    /// A slot that kills every worker stops the run with exit 65 instead of burning the fleet.
    @Test func aPoisonedSlotStopsTheRun() {
        var setup = Simulator.Setup(seed: 5)
        setup.faults = 0
        setup.workers = 5
        setup.poisonLosses = 2
        setup.poisonedSlot = 9
        let simulator = Simulator(setup)
        simulator.run()
        #expect(simulator.exit?.exitCode == 65)
        #expect(simulator.exit?.text.contains("2 workers vanished while computing") == true)
        let poison = simulator.events.compactMap { event in
            if case .poisonBlock(_, let block, _) = event { block } else { nil }
        }
        #expect(poison.count == 1 && poison[0].slots.contains(9))
    }

    /// A machine that computes wrongly is found when another one repeats its work.
    @Test func duplicatedWorkUncoversAFaultyMachine() {
        var found = 0
        for seed in 0..<40 {
            var setup = Simulator.Setup(seed: UInt64(seed))
            setup.faults = 0
            setup.workers = 4
            setup.slots = 4
            setup.slotSeconds = 0.1...30
            setup.latency = 0.001...12
            setup.faultyWorker = 0
            let simulator = Simulator(setup)
            simulator.run(limit: .seconds(20000))
            for case .mismatch(_, _, let first, _, let second, _) in simulator.events {
                found += 1
                let culprits = simulator.links.filter { $0.worker.number == 0 }.map(\.session)
                #expect(culprits.contains(first) != culprits.contains(second), "seed \(seed)")
            }
        }
        #expect(found > 0)
    }
}
