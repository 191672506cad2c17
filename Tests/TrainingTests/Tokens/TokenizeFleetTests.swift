import Foundation
import Fleet
import ImageData
import NeuralNet
import Testing
import Training

extension ProcessTests {
    /// Tokenising on a fleet: the file that one machine makes, whoever takes part and whatever happens.
    @Suite struct TokenizeFleetTests {
        /// A coordinator that tokenises, and its workers; all are killed at the end.
        private final class TokenFleet {
            let folder: String
            let out: String
            private let workshop: Workshop
            private let settings: [String]
            private var all: [Command] = []

            init(_ settings: [String]) throws {
                workshop = try Workshop.here()
                (folder, out) = (workshop.path("token-run"), workshop.path("tokens.h5"))
                self.settings = settings
            }

            deinit {
                for command in all { command.kill() }
            }

            private func spawn(_ name: String, _ arguments: [String], _ environment: [String: String]) throws -> Command {
                let label = (workshop.path(name) as NSString).lastPathComponent
                let command = try Command(name, arguments, folder: workshop.folder, label: label, environment: environment)
                all.append(command)
                return command
            }

            func coordinator(minimumWorkers: Int = 1, fail: String? = nil, more: [String] = []) throws -> Command {
                try? FileManager.default.removeItem(atPath: "\(folder)/endpoint")
                let run = try workshop.smallReference()
                // 320 pictures in steps of 4 slots of 8.
                return try spawn(
                    "mvq-coordinator",
                    [
                        "--task", "tokenize", "--checkpoint", run.path, "--data", run.data, "--out", out, "--run", folder, "--listen",
                        "tcp://127.0.0.1:*", "--gather-seconds", "120", "--min-workers", "\(minimumWorkers)", "--set", "tokens.slots=4", "--set",
                        "tokens.images_per_slot=8",
                    ] + settings + more, fail.map { ["MVQ_FAIL": $0] } ?? [:])
            }

            func worker(_ coordinator: Command, threads: Int = 1, hasData: Bool) throws -> Command {
                let file = "\(folder)/endpoint"
                try coordinator.eventually("the coordinator to listen") { FileManager.default.fileExists(atPath: file) || !coordinator.isRunning }
                let endpoint = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")[0]
                return try spawn(
                    "mvq-worker",
                    ["--connect", String(endpoint), "--threads", "\(threads)", "--orphan-seconds", "60"]
                        + (hasData ? ["--data", try workshop.smallReference().data] : []), [:])
            }

            /// Committed steps.
            var committed: Int {
                let text = (try? String(contentsOfFile: "\(folder)/journal.jsonl", encoding: .utf8)) ?? ""
                return text.utf8.count { $0 == UInt8(ascii: "\n") }
            }
        }

        private static let settings = ["--views", "2", "--keep", "25,36"]

        /// The digest of what `mvq tokenize` makes.
        private func reference(_ settings: [String] = settings) throws -> String {
            let out = try Workshop.here().path("alone.h5")
            let (exitCode, command) = try TokenizeTests.tokenize(to: out, settings)
            try #require(exitCode == 0, "\(command.standardError)")
            return try fileDigest(out)
        }

        @Test func anyNumberOfWorkersMakesTheFileOfOneMachine() throws {
            for (settings, workers) in [(Self.settings, [false]), (["--keep", "sampled", "--seed", "3"], [true, false, true])] {
                let fleet = try TokenFleet(settings)
                let coordinator = try fleet.coordinator(minimumWorkers: workers.count, more: ["--audit-share", "0.3"])
                let all = try workers.enumerated().map { try fleet.worker(coordinator, threads: 1 + $0.offset % 2, hasData: $0.element) }
                #expect(try coordinator.exitCode() == 0 && coordinator.complaints.isEmpty, "\(coordinator.standardError)")
                for worker in all { #expect(try worker.exitCode() == 0 && worker.complaints.isEmpty, "\(worker.standardError)") }
                #expect(try fileDigest(fleet.out) == reference(settings), "\(settings)")
                #expect(!FileManager.default.fileExists(atPath: fleet.out + ".partial"))
                let records = settings.contains("--views") ? 640 : 160
                #expect(coordinator.lines.contains("\(fleet.out): \(records) records"), "\(coordinator.lines)")
            }
        }

        /// Workers die, the coordinator dies between and within what it writes; what was committed is not done again.
        @Test func deathsMoveNoBit() throws {
            let fleet = try TokenFleet(Self.settings)
            var before = 0
            for point in ["tokens.append@2", "journal.before@2", "tokens.torn@2", "journal.after@2", "tokens.write@1"] {
                let coordinator = try fleet.coordinator(fail: "\(point)=kill")
                let workers = try [false, true].map { try fleet.worker(coordinator, hasData: $0) }
                if point == "tokens.write@1" {
                    try coordinator.eventually("a step") { fleet.committed > before || !coordinator.isRunning }
                    workers[0].kill()
                }
                #expect(try coordinator.exitCode() == -SIGKILL, "\(point): \(coordinator.standardError)")
                for worker in workers { worker.kill() }
                #expect(fleet.committed > before && !FileManager.default.fileExists(atPath: fleet.out), "\(point)")
                before = fleet.committed
            }
            #expect(before == 10, "all steps are committed, nothing is published")
            // There is nothing left for workers to do.
            for _ in 0..<2 {
                let last = try fleet.coordinator()
                #expect(try last.exitCode() == 0 && fleet.committed == 10, "\(last.standardError)")
                #expect(try fileDigest(fleet.out) == reference())
            }
        }

        /// Stopped, continued after the partial file was lost: the steps are computed again and compared with the journal.
        @Test func whatTheDiskLostIsMadeAgain() throws {
            let fleet = try TokenFleet(Self.settings)
            let first = try fleet.coordinator()
            let worker = try fleet.worker(first, hasData: true)
            try first.eventually("three steps") { fleet.committed >= 3 || !first.isRunning }
            first.signal(SIGTERM)
            let ended = try first.exitCode()
            #expect(ended == 75 || (ended == 0 && fleet.committed == 10), "\(first.standardError)")
            #expect(try worker.exitCode() == ended)
            let committed = fleet.committed
            for path in [fleet.out, fleet.out + ".partial"] { try? FileManager.default.removeItem(atPath: path) }
            let second = try fleet.coordinator()
            let other = try fleet.worker(second, hasData: false)
            #expect(try second.exitCode() == 0, "\(second.standardError)")
            #expect(try other.exitCode() == 0)
            #expect(second.lines.first == "continuing after step 0 of 10; \(committed) journaled steps are computed again and must come out the same", "\(second.lines)")
            #expect(try fileDigest(fleet.out) == reference())
        }

        @Test func refusesInOneLine() throws {
            let workshop = try Workshop.here()
            let run = try workshop.smallReference()
            func expect(_ code: Int32, _ text: String, _ arguments: [String]) throws {
                let (exitCode, command) = try workshop.command("mvq-coordinator", arguments)
                #expect(exitCode == code && command.lines.count == 1 && command.standardError.contains(text), "\(command.standardError)")
            }
            let folder = workshop.path("refused")
            let common = ["--task", "tokenize", "--data", run.data, "--run", folder]
            try expect(64, "--task tokenize needs --checkpoint and --out", common)
            try expect(64, "leave --config out", common + ["--checkpoint", run.path, "--out", "\(folder).h5", "--config", Run.preset])
            try expect(64, "--config is missing", ["--data", run.data, "--run", folder])
            try expect(78, "tokens.slots is 3", common + ["--checkpoint", run.path, "--out", "\(folder).h5", "--set", "tokens.slots=3"])
            try expect(78, "65 kept tokens", common + ["--checkpoint", run.path, "--out", "\(folder).h5", "--keep", "65"])
        }
    }
}
