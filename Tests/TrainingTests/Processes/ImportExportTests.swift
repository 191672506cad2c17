import Checkpoints
import Foundation
import Testing
import Training

extension ProcessTests {
    /// `mvq import` and `mvq export` as people call them.
    @Suite struct ImportExportTests {
        private func run(_ arguments: [String]) throws -> String {
            let (exitCode, command) = try Workshop.here().command("mvq", arguments)
            #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            return command.standardOutput
        }

        /// A refusal after a table: exit code, one line of complaint, and what the table says.
        private func refusal(_ arguments: [String], exitCode expected: Int32, _ parts: String...) throws -> String {
            let (exitCode, command) = try Workshop.here().command("mvq", arguments)
            #expect(exitCode == expected && command.lines.count == 1, "\(command.standardError)")
            expectOneComplaint(command, parts)
            return command.standardOutput
        }

        @Test func aRunGoesOutAndComesBack() throws {
            let workshop = try Workshop.here()
            let run = try workshop.reference()
            let (out, back) = (workshop.path("run.safetensors"), workshop.path("back.h5"))
            let said = try self.run(["export", "--checkpoint", run.path, "--both", "--out", out])
            let digest = try fileDigest(out)
            #expect(said.hasPrefix("\(out): step 20, ") && said.contains(digest))
            let table = try self.run(["import", out, "--kind", "tokenizer", "--out", back])
            #expect(table.contains("found: ") && table.contains("encoder.conv_in.weight") && !table.contains("MISSING"))

            let original = try run.store.load(step: 20).checkpoint
            let imported = try CheckpointStore.load(path: back).checkpoint
            for group in ["/model", "/ema"] {
                let (mine, theirs) = (imported.arrays(under: group), original.arrays(under: group))
                #expect(!mine.isEmpty && mine.keys.sorted() == theirs.keys.sorted())
                for (name, array) in mine {
                    let other = try #require(theirs[name])
                    #expect(array.shape == other.shape && ForeignFile.bits(array.values) == ForeignFile.bits(other.values), "\(name)")
                }
            }
            // It reconstructs as the run does, to the last digit.
            for weights in ["ema", "raw"] {
                let more = ["--data", run.data, "--rows", "0", "--limit", "3", "--weights", weights, "--json"]
                let summaries = try [back, run.path].map { try self.run(["reconstruct", "--checkpoint", $0] + more) }
                #expect(summaries[0] == summaries[1] && summaries[0].contains("psnr"))
            }
            #expect(try self.run(["inspect", back]).contains("source_sha256"))
            // The file of one vector, and JSON.
            let averaged = workshop.path("averaged.safetensors")
            let json = try self.run(["export", "--checkpoint", run.store.path(of: 20), "--ema", "--out", averaged, "--json"])
            #expect(json.contains("\"tensors\" : \(imported.arrays.count / 2)"))
        }

        @Test func whatDoesNotFitIsShownAndRefused() throws {
            let workshop = try Workshop.here()
            let (file, out) = (workshop.path("lpips.safetensors"), workshop.path("lpips.h5"))
            let (names, configuration) = (LPIPSNames.expected, workshop.path("config.yaml"))
            try ForeignFile.write(Array(names.dropFirst()) + [ExpectedArray("stranger", [1])], to: file)
            let table = try refusal(
                ["import", file, "--kind", "lpips", "--out", out], exitCode: 65, file, "1 array is missing (lin0.model.1.weight [1, 64, 1, 1])",
                "1 is unknown (stranger [1])", "docs/weights.md")
            #expect(table.contains("MISSING: 1\n  lin0.model.1.weight") && table.contains("UNKNOWN: 1\n  stranger"))
            #expect(!FileManager.default.fileExists(atPath: out))
            let json = try refusal(["import", file, "--kind", "lpips", "--out", out, "--json"], exitCode: 65, "missing")
            #expect(json.contains("\"stranger\""))

            try ForeignFile.write(names, to: file)
            #expect(try self.run(["import", file, "--kind", "lpips", "--out", out]).contains("\(out): LPIPS v0.1 layers, 5 arrays, 1 472 numbers"))
            #expect(try refusal(["import", file, "--kind", "tokenizer", "--out", out], exitCode: 64, "--config configs/tokenizer-gr.yaml") == "")
            #expect(
                try refusal(["import", file, "--kind", "tokenizer", "--config", configuration, "--out", out], exitCode: 78, configuration, "cannot be read")
                    == "")
            try Data("PK\u{3}\u{4}".utf8).write(to: URL(fileURLWithPath: file))
            #expect(try refusal(["import", file, "--kind", "lpips", "--out", out], exitCode: 65, "is a PyTorch pickle", "docs/weights.md") == "")
        }

        @Test func wrongCommandLinesAreOneLine() throws {
            let workshop = try Workshop.here()
            let path = workshop.path("x.h5")
            func importing(_ more: String...) -> [String] { ["import", "a.safetensors"] + more }
            try expectRefusal("mvq", importing("--kind", "vgg16", "--out", "x.txt"), exitCode: 64, "x.txt", "must end in .h5")
            try expectRefusal("mvq", importing("--kind", "resnet", "--out", path), exitCode: 64, "resnet", "perceptual")
            try expectRefusal("mvq", importing("b.safetensors", "--kind", "vgg16", "--out", path), exitCode: 64, "takes one file, not 2")
            try expectRefusal("mvq", importing("--kind", "vgg16", "--config", "c.yaml", "--out", path), exitCode: 64, "--kind tokenizer only")
            try expectRefusal("mvq", importing("--kind", "vgg16", "--out", "\(path)/absent/x.h5"), exitCode: 64, "make it first")
            try expectRefusal("mvq", importing("--kind", "vgg16", "--out", path), exitCode: 65, "a.safetensors: there is no such file")
            try Data().write(to: URL(fileURLWithPath: path))
            try expectRefusal("mvq", ["import", path, "--kind", "vgg16", "--out", path], exitCode: 64, "is also a file to import")
            let manifest = path.dropLast(3) + ".json"
            try Data().write(to: URL(fileURLWithPath: String(manifest)))
            try expectRefusal("mvq", importing("--kind", "vgg16", "--out", path), exitCode: 64, "\(manifest) would be taken for its manifest")
            try expectRefusal("mvq", ["export", "--checkpoint", path, "--ema", "--both", "--out", "x.safetensors"], exitCode: 64, "exclude each other")
            try expectRefusal("mvq", ["export", "--checkpoint", path, "--out", "x.h5"], exitCode: 64, "must end in .safetensors")
            try expectRefusal("mvq", ["export", "--checkpoint", "\(path)x", "--out", "x.safetensors"], exitCode: 66, "no such checkpoint")
            for command in ["import", "export"] {
                let (exitCode, help) = try workshop.command("mvq", [command, "--help"])
                #expect(exitCode == 0 && help.standardOutput.contains("safetensors") && help.standardOutput.contains("mvq \(command) "))
            }
        }
    }
}
