import Foundation
import Testing
import Training

extension ProcessTests {
    /// `mvq replay`: steps of the reference run computed again in one process.
    @Suite struct ReplayTests {
        /// What tests read of `mvq replay --json`.
        private struct Output: Decodable {
            struct Step: Decodable {
                let step: Int
                let images: Int
                let weights_digest: String
            }
            struct Difference: Decodable {
                let step: Int
                let what: String
                let journaled: String
                let computed: String
            }
            let checkpoint_step: Int
            let steps: [Step]
            let difference: Difference?
        }

        private func replay(_ run: Run, step: Int) throws -> (exitCode: Int32, command: Command, output: Output) {
            let (exitCode, command) = try Workshop.here().command(
                "mvq", ["replay", run.path, "--step", "\(step)", "--data", run.data, "--threads", "2", "--json"])
            return (exitCode, command, try JSONDecoder().decode(Output.self, from: Data(command.standardOutput.utf8)))
        }

        @Test func aStepComesOutAsItDid() throws {
            let reference = try Workshop.here().reference()
            let before = try reference.contents()
            let (exitCode, command, output) = try replay(reference, step: 17)
            #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            #expect(output.checkpoint_step == 15 && output.difference == nil)
            let journal = try reference.journal()
            #expect(output.steps.map(\.step) == [15, 16, 17] && output.steps.allSatisfy { $0.images == 16 })
            #expect(output.steps.map(\.weights_digest) == journal[15...17].map(\.weightsDigest))
            let (text, readable) = try Workshop.here().command("mvq", ["replay", reference.path, "--step", "15", "--data", reference.data])
            #expect(text == 0 && readable.standardOutput.contains("\nstep 15 equal: samples \(journal[15].samplesDigest.prefix(16)), gradient "))
            #expect(try reference.contents() == before)
        }

        /// The first thing that differs is named, the steps before it are equal.
        @Test func aForgedDigestIsFound() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            let zeros = String(repeating: "0", count: 64)
            let genuine = try reference.journal()
            let loss = try #require(genuine[16].values["loss"])
            for (what, index, equal, journaled, computed) in [
                ("sample ids", 16, [15], zeros, genuine[16].samplesDigest), ("gradient digest", 16, [15], zeros, genuine[16].gradientDigest),
                ("weight digest", 16, [15], zeros, genuine[16].weightsDigest), ("loss", 16, [15], "\(loss.nextUp)", "\(loss)"),
                ("weight digest (in step-00000015.h5)", 14, [], zeros, genuine[14].weightsDigest),
            ] {
                let copy = try reference.copy(to: workshop.path("forged"))
                var records = genuine
                switch what {
                case "sample ids": records[index].samplesDigest = zeros
                case "gradient digest": records[index].gradientDigest = zeros
                case "loss": records[index].values["loss"] = loss.nextUp
                default: records[index].weightsDigest = zeros
                }
                try Run.writeJournal(records, to: "\(copy.path)/journal.jsonl")
                let (exitCode, command, output) = try replay(copy, step: 16)
                #expect(exitCode == 67 && output.steps.map(\.step) == equal, "\(command.standardOutput)")
                let difference = try #require(output.difference)
                #expect(difference.step == index && difference.what == what, "\(command.standardOutput)")
                #expect(difference.journaled == journaled && difference.computed == computed)
                expectOneComplaint(command, ["\(copy.path): step \(index) computed again has \(what) \(computed.prefix(16)), the journal says "])
            }
        }

        @Test func whatCannotBeReplayedIsNamed() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            func arguments(_ run: Run, step: Int, data: String? = nil) -> [String] {
                ["replay", run.path, "--step", "\(step)", "--data", data ?? run.data]
            }
            try expectRefusal(
                "mvq", arguments(reference, step: 20), exitCode: 64, "\(reference.path): step 20 is not in the journal, which holds steps 0 to 19")
            try expectRefusal(
                "mvq", arguments(reference, step: 9), exitCode: 66, "no checkpoint of step 9 or before", "there are those of steps 10, 15, 20")
            try expectRefusal("mvq", arguments(reference, step: 17, data: reference.path), exitCode: 65, reference.path)
            try expectRefusal("mvq", arguments(Run(path: reference.data, data: reference.data), step: 1), exitCode: 64, "holds no run")
            let copy = try reference.copy(to: workshop.path("cut"))
            try copy.truncateCheckpoint(15)
            try FileManager.default.removeItem(atPath: copy.store.path(of: 10))
            let complaint = try expectRefusal("mvq", arguments(copy, step: 17), exitCode: 66, "that can be loaded")
            #expect(complaint.contains("steps 15, 20"), "\(complaint)")
        }
    }
}
