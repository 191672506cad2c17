import ArgumentParser
import CommandSupport
import Fleet
import Foundation
import Simulation

/// `mvq simulate`.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Drives the fleet's state machines through seeded faults, and checks that no bit and no sample is lost.",
        discussion: """
            Coordinator and workers are the production state machines, run in one thread with a virtual clock and an in-memory network. A seed
            decides about everything: the fleet's size, its pace, and which faults come when. Workers crash, hang, pause, slow down, leave and
            join; connections break, fall silent or repeat themselves; the coordinator crashes in the middle of a commit, pauses or is
            stopped. The model has four numbers, but the slot tree, the SHA-256 digests and the journal are real.

            After every event the invariants I1 to I8 are checked: every slot once, the same weights everywhere, an unbroken journal, no word of
            an old generation, disjoint leases, bounded memory, the audit hash of samples, the same plan on both sides (docs/protocol.md). At the
            end journal and weights must be those of an undisturbed run.

            Exit codes: 0 all invariants hold, 70 one does not; the last lines then name seed, invariant, virtual time and the command that
            shows it again.

              mvq simulate --seeds 1..2000
              mvq simulate --seeds 17..17 --trace
              mvq simulate --seeds 1..1 --workers 1000 --steps 50
            """)

    @Option(help: ArgumentHelp("Seeds to run, both ends included, or a single one.", valueName: "A..B"))
    var seeds: SeedRange
    @Option(help: ArgumentHelp("Workers at the start (default: drawn, 1 to 24); with more than 24, slots and faults follow.", valueName: "count"))
    var workers: Int?
    @Option(help: ArgumentHelp("Training steps (default: drawn, 3 to 8).", valueName: "count"))
    var steps: Int?
    @Option(help: ArgumentHelp("Slots of a step, a power of two (default: drawn, 1 to 64).", valueName: "count"))
    var slots: Int?
    @Option(help: ArgumentHelp("Faults of each seed, besides repeated messages (default: drawn, 0 to 16).", valueName: "count"))
    var faults: Int?
    @Flag(help: "Print every event and action, one a line: virtual seconds, who, <- what came in or -> what is done.") var trace = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value, most) in [("workers", workers, 4000), ("steps", steps, 100_000), ("slots", slots, 1 << 16)] {
            guard let value, !(1...most).contains(value) else { continue }
            throw ValidationError("--\(name) is \(value); it must be 1 to \(most)")
        }
        if let slots, slots & (slots - 1) != 0 { throw ValidationError("--slots is \(slots); it must be a power of two") }
        if let faults, faults < 0 { throw ValidationError("--faults is \(faults); it must be 0 or more") }
        guard !(trace && json) else { throw ValidationError("give either --trace or --json") }
    }

    func run() throws {
        let start = ContinuousClock.now
        let counter = ProgressCounter("simulating seeds")
        var totals = SimulationTotals()
        for seed in seeds.range {
            let scenario = Scenario(drawnFrom: seed, workers: workers, steps: steps, slots: slots, faults: faults)
            let simulator = Simulator(scenario)
            if trace {
                print(SimulateReport.text(of: scenario))
                simulator.trace = { print($0) }
            }
            totals.add(simulator.run())
            counter.update(totals.seeds, of: seeds.range.count, totals.violations.isEmpty ? "" : "\(totals.violations.count) violations")
        }
        counter.finish()
        let report = SimulateReport(totals, seconds: (ContinuousClock.now - start) / .seconds(1)) { replay(seed: $0) }
        if json { try printJSON(report) } else { print(report.text) }
        if !totals.violations.isEmpty { throw ArgumentParser.ExitCode(Fleet.ExitCode.software) }
    }

    /// The command that shows a seed again.
    private func replay(seed: UInt64) -> String {
        let given = [("workers", workers), ("steps", steps), ("slots", slots), ("faults", faults)]
        return "mvq simulate --seeds \(seed)..\(seed)" + given.compactMap { name, value in value.map { " --\(name) \($0)" } }.joined() + " --trace"
    }
}

/// `A..B`, or one number.
struct SeedRange: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    init?(argument: String) {
        let ends = argument.components(separatedBy: "..").map { UInt64($0) }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last, last - first < UInt64(Int32.max) else {
            return nil
        }
        range = first...last
    }
}
