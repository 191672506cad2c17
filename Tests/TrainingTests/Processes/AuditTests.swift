import Checkpoints
import Fleet
import Foundation
import Testing
import Training

extension ProcessTests {
    /// `mvq audit`: an untouched run holds, and whatever is changed in it is named.
    @Suite struct AuditTests {
        /// What tests read of `mvq audit --json`.
        private struct Output: Decodable {
            struct Problem: Decodable {
                let file: String
                let line: Int?
                let step: Int?
                let field: String
            }
            let holds: Bool
            let problems: [Problem]
            let warnings: [String]
            let unknown: [String]
            let samples: Int
            let journal_lines: Int
            let checked_lines: Int
            let images: Int
            let complete_epochs: Int
            let checkpoints: [Int]
            let metrics_lines: Int
        }

        private func audit(_ run: Run, _ more: String...) throws -> (exitCode: Int32, command: Command, output: Output) {
            let (exitCode, command) = try Workshop.here().command("mvq", ["audit", run.path, "--json"] + more)
            let output = try JSONDecoder().decode(Output.self, from: Data(command.standardOutput.utf8))
            return (exitCode, command, output)
        }

        private func copy() throws -> Run {
            let workshop = try Workshop.here()
            return try workshop.reference().copy(to: workshop.path("audited"))
        }

        @Test func anUntouchedRunHolds() throws {
            let reference = try Workshop.here().reference()
            let before = try reference.contents()
            for more in [[], ["--data", reference.data]] {
                let (exitCode, command) = try Workshop.here().command("mvq", ["audit", reference.path, "--json"] + more)
                let output = try JSONDecoder().decode(Output.self, from: Data(command.standardOutput.utf8))
                #expect(exitCode == 0 && command.lines.isEmpty && output.holds, "\(command.standardError)\(command.standardOutput)")
                #expect(output.problems.isEmpty && output.warnings.isEmpty && output.unknown.isEmpty, "\(command.standardOutput)")
                #expect(output.journal_lines == 20 && output.checked_lines == 20 && output.metrics_lines == 20 && output.samples == 160)
                #expect(output.images == 320 && output.complete_epochs == 2 && output.checkpoints == [10, 15, 20])
            }
            let (exitCode, command) = try Workshop.here().command("mvq", ["audit", reference.path])
            #expect(exitCode == 0)
            for part in [
                "\(reference.path): holds\n", "20 lines, steps 0 to 19", "slots 0 to 7 once each; 320 images of 160", "2 whole epochs", "10, 15, 20",
            ] { #expect(command.standardOutput.contains(part), "\(part): \(command.standardOutput)") }
            #expect(try reference.contents() == before)
        }

        /// A change of the journal that leaves its chain of digests whole, and where it is found.
        struct Forgery: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let line: Int
            let field: String
            let change: @Sendable (inout JournalRecord) -> Void
        }

        @Test(arguments: [
            Forgery(testDescription: "half a block", line: 6, field: "blocks") { $0.blocks[0].block = $0.blocks[0].block.children?.left ?? $0.blocks[0].block.sibling },
            Forgery(testDescription: "the first block removed", line: 9, field: "blocks") { $0.blocks.removeFirst() },
            Forgery(testDescription: "the last block removed", line: 20, field: "blocks") { $0.blocks.removeLast() },
            Forgery(testDescription: "a block twice", line: 1, field: "blocks") { $0.blocks.append($0.blocks[0]) },
            Forgery(testDescription: "another audit hash", line: 4, field: "auditHash") { $0.auditHash = "64:0" },
            Forgery(testDescription: "other samples", line: 11, field: "samplesDigest") { $0.samplesDigest = String(repeating: "0", count: 64) },
            Forgery(testDescription: "other kept tokens", line: 3, field: "values.kept_tokens") { $0.values["kept_tokens"] = 7 },
            Forgery(testDescription: "another learning rate", line: 3, field: "values.learning_rate") { $0.values["learning_rate"]? *= 1.0000001 },
            Forgery(testDescription: "another epoch", line: 10, field: "epoch") { $0.epoch = 1 },
        ])
        func aForgedLineIsNamed(_ forgery: Forgery) throws {
            let copy = try copy()
            var records = try copy.journal()
            forgery.change(&records[forgery.line - 1])
            try Run.writeJournal(records, to: "\(copy.path)/journal.jsonl")
            let (exitCode, command, output) = try audit(copy)
            let first = try #require(output.problems.first)
            #expect(exitCode == 67 && !output.holds && output.problems.count == 1, "\(command.standardOutput)")
            #expect(first.file == "journal.jsonl" && first.line == forgery.line && first.step == forgery.line - 1 && first.field == forgery.field)
            #expect(output.checked_lines == forgery.line - 1)
            expectOneComplaint(
                command, ["\(copy.path)/journal.jsonl line \(forgery.line) (step \(forgery.line - 1)): \(forgery.field) ", "restore what was changed"])
        }

        /// Lines changed or removed without mending the chain: the line is named where it breaks.
        @Test func aChangedOrMissingLineBreaksTheChain() throws {
            let copy = try copy()
            let lines = copy.journalText.split(separator: "\n").map(String.init)
            var changed = lines
            let digest = try copy.journal()[7].gradientDigest
            changed[7] = lines[7].replacingOccurrences(of: digest, with: String(digest.reversed()))
            var removed = lines
            removed.remove(at: 7)
            var unreadable = lines
            unreadable[7] = String(lines[7].dropLast(9))
            for (lines, line, field) in [
                (changed, 9, "previous"), (removed, 8, "previous"), (Array(lines.dropFirst()), 1, "previous"), (unreadable, 8, "the line"),
            ] {
                try (lines.joined(separator: "\n") + "\n").write(toFile: "\(copy.path)/journal.jsonl", atomically: true, encoding: .utf8)
                let (exitCode, command) = try Workshop.here().command("mvq", ["audit", copy.path])
                #expect(exitCode == 67 && command.standardOutput.hasPrefix("\(copy.path): does not hold\n"), "\(command.standardOutput)")
                expectOneComplaint(command, ["\(copy.path)/journal.jsonl line \(line): \(field) "])
            }
        }

        /// The chain knows no end and a new one can be made from any line on: checkpoints tell.
        @Test func aJournalWithoutItsBeginningOrEndDoesNotFitTheCheckpoints() throws {
            let copy = try copy()
            let records = try copy.journal()
            try Run.writeJournal(Array(records.dropFirst()), to: "\(copy.path)/journal.jsonl")
            let start = try audit(copy)
            #expect(start.exitCode == 67 && start.output.problems.first?.line == 1 && start.output.problems.first?.field == "step")
            expectOneComplaint(start.command, ["step is 1, checkpoint 10 says that the run began with step 0"])
            try Run.writeJournal(Array(records.dropLast(3)), to: "\(copy.path)/journal.jsonl")
            let end = try audit(copy)
            #expect(end.exitCode == 67 && end.output.checkpoints == [10, 15])
            expectOneComplaint(end.command, ["checkpoints/step-00000020.h5 (step 20): step is 20, the journal ends after 17 steps"])
        }

        @Test func anAlteredCheckpointIsNamed() throws {
            let copy = try copy()
            // One bit of the file.
            let file = copy.store.path(of: 10)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            bytes[bytes.count / 2] ^= 4
            try FileManager.default.removeItem(atPath: file)
            try bytes.write(to: URL(fileURLWithPath: file))
            // One weight, in a file that is sound in itself.
            let loaded = try copy.store.load(step: 15).checkpoint
            var arrays = loaded.arrays
            let position = try #require(arrays.firstIndex { $0.path.hasPrefix("/model/") && !$0.values.isEmpty })
            var values = arrays[position].values
            values[0] += 1
            arrays[position] = CheckpointArray(path: arrays[position].path, shape: arrays[position].shape, values: values)
            try CheckpointStore(directory: copy.store.directory, keepLast: 9).publish(
                Checkpoint(step: 15, attributes: loaded.attributes, arrays: arrays))
            let (exitCode, command, output) = try audit(copy)
            #expect(exitCode == 67 && output.checkpoints == [20] && output.problems.count == 2, "\(command.standardOutput)")
            #expect(output.problems.map(\.file) == ["checkpoints/step-00000010.h5", "checkpoints/step-00000015.h5"])
            #expect(output.problems.map(\.field) == ["the file", "weightsDigest"])
            expectOneComplaint(command, ["\(copy.path)/checkpoints/step-00000010.h5: the file cannot be used: ", "is damaged", "(and 1 more)"])
            #expect(output.checked_lines == 20, "the journal is as it was")
        }

        @Test func aChangedSettingIsNamed() throws {
            let copy = try copy()
            let config = "\(copy.path)/config.yaml"
            var configuration = try copy.configuration
            configuration.training.steps = 30
            try configuration.yaml.write(toFile: config, atomically: true, encoding: .utf8)
            #expect(try audit(copy).exitCode == 0, "more steps are no change of those that are done")
            configuration.optimizer.learningRate = 3e-4
            try configuration.yaml.write(toFile: config, atomically: true, encoding: .utf8)
            let (exitCode, command, output) = try audit(copy)
            #expect(exitCode == 67 && output.problems.map(\.file) == ["config.yaml", "journal.jsonl"], "\(command.standardOutput)")
            expectOneComplaint(command, ["config.yaml: optimizer.learning_rate is 0.0003, checkpoint 10 was made with 0.0002"])
            // Without checkpoints nothing says how many images there are, unless the dataset does.
            try FileManager.default.removeItem(atPath: copy.store.directory)
            let (blind, _) = try Workshop.here().command("mvq", ["audit", copy.path])
            #expect(blind == 0)
            let seeing = try audit(copy, "--data", copy.data)
            #expect(seeing.exitCode == 67)
            expectOneComplaint(seeing.command, ["journal.jsonl line 1 (step 0): values.learning_rate is 0.0002, config.yaml gives 0.0003"])
        }

        @Test func evaluationsMustHaveTheirStepAndMetricsShould() throws {
            let copy = try copy()
            func write(_ text: String, to name: String) throws { try text.write(toFile: "\(copy.path)/\(name)", atomically: true, encoding: .utf8) }
            func evaluation(_ step: Int) -> String {
                let measures = #""codebook_perplexity":1,"codebook_usage":0.1,"reconstruction":{"l1":0.1}"#
                return "{\(measures),\"images\":1,\"kept_tokens\":36,\"step\":\(step),\"weights\":\"ema\"}\n"
            }
            let metrics = try String(contentsOfFile: "\(copy.path)/metrics.jsonl", encoding: .utf8).split(separator: "\n")
            try write(metrics.dropLast().joined(separator: "\n") + "\n", to: "metrics.jsonl")
            try write(evaluation(20) + evaluation(0), to: "evaluation.jsonl")
            try write(copy.journalText + "{\"audit", to: "journal.jsonl")
            let good = try audit(copy)
            #expect(good.exitCode == 0 && good.output.holds && good.output.checked_lines == 20, "\(good.command.standardOutput)")
            #expect(good.output.warnings.count == 2, "\(good.output.warnings)")
            #expect(good.output.warnings.contains { $0.hasPrefix("journal.jsonl: line 21 has no end") })
            #expect(good.output.warnings.contains("metrics.jsonl: 0 lines of step 19 instead of one"))
            try write(evaluation(20) + evaluation(21), to: "evaluation.jsonl")
            let bad = try audit(copy)
            #expect(bad.exitCode == 67)
            expectOneComplaint(bad.command, ["evaluation.jsonl line 2 (step 21): step is 21, the journal has weights of steps 0 to 20"])
        }

        @Test func whatIsNoRunIsNamed() throws {
            let run = try Workshop.here().reference()
            try expectRefusal("mvq", ["audit", run.data], exitCode: 64, "\(run.data): holds no run", "given as --run")
            try expectRefusal("mvq", ["audit", run.path, "--data", run.path], exitCode: 65, run.path)
        }
    }
}
