import Fleet
import Simulation
import Testing

/// How work is shared out, in virtual time: nothing here is measured, so nothing depends on the machine.
@Suite struct SchedulingTests {
    /// Workers of one second a slot on a fast network, which have all joined before the first step, and which nothing befalls.
    static func fleet(workers: Int, slots: Int, steps: Int) -> Scenario {
        var scenario = Scenario(seed: 4)
        (scenario.workers, scenario.minimumWorkers, scenario.slots, scenario.steps) = (workers, workers, slots, steps)
        (scenario.faults, scenario.duplicates, scenario.datasetShare) = (0, 0, 1)
        (scenario.slotSeconds, scenario.latency) = (1.0...1.0, 0.001...0.002)
        return scenario
    }

    struct Course {
        let outcome: SimulationOutcome
        var events: [FleetEvent] = []

        init(_ scenario: Scenario) {
            let simulator = Simulator(scenario)
            var events: [FleetEvent] = []
            simulator.onFleetEvent = { events.append($0) }
            outcome = simulator.run()
            self.events = events
        }

        /// Virtual seconds of each step after the first.
        var stepSeconds: [Double] { zip(outcome.commitSeconds.dropFirst(), outcome.commitSeconds).map { $0 - $1 } }
        /// The time of a step of equal cost; the first step is taken from when it began.
        func secondsPerCost(_ step: Int) -> Double { stepSeconds[step - 1] / ToyCost.of(step) }

        /// Blocks finished of each step.
        var blocks: [Int: Int] {
            events.reduce(into: [:]) { counts, event in
                if case .blockFinished(_, let step, _, _) = event { counts[step, default: 0] += 1 }
            }
        }
        var alarms: [FleetEvent] {
            events.filter {
                switch $0 {
                case .duplicated, .reclaimed, .lost, .flapping: true
                default: false
                }
            }
        }
    }

    /// What the plans of seed 4 say.
    enum ToyCost {
        static func of(_ step: Int) -> Double { Scenario.relativeCost(seed: 4, step: step) }
    }

    /// A power of two of equal workers gets one block each: every block costs a gradient on the wire.
    @Test(arguments: [1, 2, 4, 8]) func equalWorkersGetABlockEach(workers: Int) {
        let course = Course(Self.fleet(workers: workers, slots: 64, steps: 6))
        #expect(course.outcome.violations.isEmpty && course.outcome.exit?.exitCode == 0)
        for step in 0..<6 { #expect(course.blocks[step].map { $0 <= 2 * workers } == true, "\(course.blocks)") }
        #expect(course.blocks[5] == workers)
        #expect(course.alarms.isEmpty)
    }

    @Test func otherNumbersOfWorkersNeedAFewMore() {
        for workers in [3, 5, 7] {
            let course = Course(Self.fleet(workers: workers, slots: 64, steps: 4))
            let most = course.blocks.values.max() ?? 0
            #expect(most <= 6 * workers, "\(workers) workers: \(course.blocks)")
            // All work and no waiting would be 64 / W.
            let worst = (1..<4).map { course.secondsPerCost($0) }.max() ?? 0
            #expect(worst < 1.35 * 64 / Double(workers), "\(workers) workers: \(worst)")
        }
    }

    /// One of four is ten times slower: the three others alone would take 4/3 of the undisturbed time.
    @Test(arguments: [0, 2]) func aSlowWorkerHardlyDelaysTheFleet(slow: Int) {
        let undisturbed = Course(Self.fleet(workers: 4, slots: 64, steps: 6))
        let median = (1..<6).map { undisturbed.secondsPerCost($0) }.sorted()[2]
        var scenario = Self.fleet(workers: 4, slots: 64, steps: 6)
        scenario.slowness = [slow: 10]
        let course = Course(scenario)
        #expect(course.outcome.violations.isEmpty && course.outcome.exit?.exitCode == 0)
        let ratios = (1..<6).map { course.secondsPerCost($0) / median }
        #expect(ratios.allSatisfy { $0 < 1.5 }, "\(ratios)")
        // The first step, in which nothing is known of anybody: from the moment when all have joined.
        let first = course.outcome.commitSeconds[0] - undisturbed.outcome.commitSeconds[0]
        #expect(first / ToyCost.of(0) < 0.6 * median, "\(first) s longer than \(median)")
    }

    /// Half the speed, half the work: nine tenths of the summed speed are used.
    @Test func workFollowsSpeed() {
        var scenario = Self.fleet(workers: 2, slots: 64, steps: 8)
        scenario.slowness = [1: 2]
        let course = Course(scenario)
        // 64 slots at 1.5 slots a second.
        let mean = (3..<8).map { course.secondsPerCost($0) }.reduce(0, +) / 5
        #expect(mean < 64 / 1.5 / 0.9, "\(mean)")
    }

    /// Steps cost four times as much as others; because the plan says so, nobody is taken for slow. Without the plan's word they are.
    @Test func costsThatVaryRaiseNoAlarm() {
        // One slot each, so nothing shows how far a worker is before it is done; and one more worker, which waits for something to be late.
        var scenario = Self.fleet(workers: 5, slots: 4, steps: 1000)
        scenario.slotSeconds = 30...36
        let course = Course(scenario)
        #expect(course.outcome.committedSteps == 1000 && course.outcome.violations.isEmpty)
        // In the first step nothing is known of anybody, and the idle worker takes a block that nothing is heard of for ten seconds.
        func alarms(_ course: Course) -> [FleetEvent] {
            course.alarms.filter { if case .duplicated(step: 0, _, _, _) = $0 { false } else { true } }
        }
        #expect(alarms(course).isEmpty, "\(alarms(course).prefix(3))")
        scenario.tellsCost = false
        #expect(!alarms(Course(scenario)).isEmpty)
    }

    /// A worker that computes nothing, but says that it is there, is given up once at most, and nobody waits for it in step after step.
    @Test func aHangingWorkerIsWaitedForOnce() {
        var scenario = Self.fleet(workers: 2, slots: 8, steps: 6)
        scenario.auditShare = 1
        scenario.slowness = [1: 1e9]
        let course = Course(scenario)
        #expect(course.outcome.violations.isEmpty && course.outcome.exit?.exitCode == 0, "\(course.outcome.violations)")
        #expect(course.events.count { if case .lost = $0 { true } else { false } } <= 1, "\(course.alarms)")
        #expect(course.stepSeconds.dropFirst().allSatisfy { $0 < 60 }, "\(course.stepSeconds)")
    }

    /// A worker whose process dies every 20 seconds costs the others next to nothing once it is known.
    @Test func aFlappingWorkerCostsTheOthersLittle() {
        var scenario = Self.fleet(workers: 4, slots: 64, steps: 60)
        let undisturbed = Course(scenario)
        scenario.workers = 5
        scenario.flappingSeconds = 20
        let course = Course(scenario)
        #expect(course.outcome.violations.isEmpty && course.outcome.exit?.exitCode == 0, "\(course.outcome.violations)")
        #expect(course.events.contains { if case .flapping("host0") = $0 { true } else { false } })
        #expect(course.outcome.commitSeconds[59] < undisturbed.outcome.commitSeconds[59] / 0.95)
    }
}
