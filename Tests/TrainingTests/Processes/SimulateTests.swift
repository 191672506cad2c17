import Foundation
import Testing
import Training

extension ProcessTests {
    /// `mvq simulate`: what it prints, and how it refuses.
    @Suite struct SimulateTests {
        private struct Report: Decodable {
            let seeds: Int
            let events: Int
            let committed_steps: Int
            let faults: [String: Int]
            let violations: [[String: String]]
            let virtual_hours: Double
        }

        @Test func aRangeOfSeeds() throws {
            let (exitCode, command) = try Workshop.here().command("mvq", ["simulate", "--seeds", "1..30", "--json"])
            #expect(exitCode == 0 && command.standardError == "", "\(command.standardError)")
            let report = try JSONDecoder().decode(Report.self, from: Data(command.standardOutput.utf8))
            #expect(report.seeds == 30 && report.violations.isEmpty && report.committed_steps >= 30 * 3)
            #expect(report.events > 10_000 && report.virtual_hours > 0.1)
            #expect(report.faults["coordinatorCrash", default: 0] > 0 && report.faults["halfOpen", default: 0] > 0)
            let (_, text) = try Workshop.here().command("mvq", ["simulate", "--seeds", "1..30"])
            #expect(text.standardOutput.hasPrefix("30 seeds, all invariants hold: "))
            #expect(text.standardOutput.split(separator: "\n").count == 1)
        }

        @Test func aTraceShowsEventsAndActions() throws {
            let arguments = ["simulate", "--seeds", "17", "--workers", "2", "--steps", "3", "--slots", "4", "--faults", "5", "--trace"]
            let (exitCode, command) = try Workshop.here().command("mvq", arguments)
            #expect(exitCode == 0 && command.standardError == "", "\(command.standardError)")
            let lines = command.standardOutput.split(separator: "\n")
            #expect(lines.first?.hasPrefix("seed 17: 2 workers, 3 steps of 4 slots, 5 faults") == true)
            for part in ["coordinator <- control(", "coordinator -> mergeBlock(", "worker 0 -> open(", "step 2 is committed"] {
                #expect(lines.contains { $0.contains(part) }, "\(part)")
            }
            #expect(lines.last?.hasPrefix("1 seeds, all invariants hold") == true)
        }

        @Test(arguments: [
            (["--seeds", "9..3"], "A..B"), ([], "--seeds <A..B>"), (["--seeds", "1", "--slots", "12"], "must be a power of two"),
            (["--seeds", "1", "--workers", "0"], "--workers is 0"), (["--seeds", "1", "--trace", "--json"], "either --trace or --json"),
        ])
        func aWrongCommandLineIsRefused(arguments: [String], part: String) throws {
            try expectRefusal("mvq", ["simulate"] + arguments, exitCode: 64, part)
        }
    }
}
