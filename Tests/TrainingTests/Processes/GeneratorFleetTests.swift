import Checkpoints
import Foundation
import TensorCore
import TestKit
import Testing
import Training

extension ProcessTests {
    /// Generators are trained by the same fleet with the same promise: equal bits, whoever computes them.
    @Suite struct GeneratorFleetTests {
        typealias Kind = RunConfiguration.Generator.Kind

        /// Made-up tokens and a run of a small generator on them.
        private func withRun<Result>(
            _ kind: Kind, tokens change: (inout MadeUpTokens) -> Void = { _ in }, _ body: (Run) throws -> Result
        ) throws -> Result {
            let workshop = try Workshop.here()
            var tokens = MadeUpTokens()
            tokens.keptCounts = kind == .llamagen ? [16] : kind == .mergear ? [9, 16] : [9]
            change(&tokens)
            let data = workshop.path("tokens") + ".h5"
            try tokens.write(to: data)
            defer { try? FileManager.default.removeItem(atPath: data) }
            var run = Run(path: workshop.path("generator"), data: data)
            run.config = Fixtures.packageRoot.appendingPathComponent("configs/generator-\(kind.rawValue)-tiny.yaml").path
            run.settings = [
                "generator.layers=2", "generator.width=32", "generator.heads=2", "generator.hidden_multiple=16", "generator.pre_bits=3",
                "generator.post_bits=3", "training.steps=8", "training.global_batch=8", "training.slots=4", "checkpoints.every_steps=4",
            ]
            defer { try? FileManager.default.removeItem(atPath: run.path) }
            return try body(run)
        }

        @Test(arguments: Kind.allCases) func anyFleetGivesTheSameBits(_ kind: Kind) throws {
            try withRun(kind) { reference in
                try withFleet(of: reference) { fleet in
                    try fleet.start()
                    try fleet.expectToFinish([try fleet.worker(threads: 2, hasData: true)])
                }
                let records = try reference.journal()
                #expect(records.count == 8 && records.allSatisfy { $0.values["kept_tokens"] == nil })
                let other = Run(path: reference.path + "-other", data: reference.data, config: reference.config, settings: reference.settings)
                defer { try? FileManager.default.removeItem(atPath: other.path) }
                // Workers that come, die and get their records from the coordinator, which is stopped and goes on.
                try withFleet(of: other) { fleet in
                    let coordinator = try fleet.start(minimumWorkers: 2)
                    let workers = try [fleet.worker(hasData: false), fleet.worker(hasData: true)]
                    try fleet.waitForSteps(2)
                    workers[0].kill()
                    try fleet.waitForSteps(5)
                    coordinator.signal(SIGTERM)
                    let ends = [0, 75] as Set<Int32>
                    #expect(ends.contains(try coordinator.exitCode()), "\(coordinator.standardError)")
                    workers[1].kill()
                    _ = try fleet.launch()
                    if other.committed < 8 {
                        try fleet.coordinator?.eventually("the coordinator to listen") { fleet.endpoint != nil }
                        try fleet.expectToFinish([try fleet.worker(threads: 2, hasData: false)])
                    }
                }
                try other.expectEqual(to: reference)
                // A checkpoint that generates knows its classes and its tokenizer.
                let generator = try GeneratorCheckpoint(path: reference.path, weights: .ema)
                #expect(generator.step == 8 && generator.classNames == MadeUpTokens().header.classNames)
                #expect(generator.tokenizerDigest == MadeUpTokens().tokenizer)
                #expect(generator.configuration.generator.classes == 10 && generator.generator.configuration.grid == (kind == .randar ? 3 : 4))
                let (exitCode, audit) = try Workshop.here().command("mvq", ["audit", other.path, "--data", other.data])
                #expect(exitCode == 0, "\(audit.standardError)\(audit.standardOutput)")
                let (replayed, replay) = try Workshop.here().command("mvq", ["replay", other.path, "--step", "6", "--data", other.data])
                #expect(replayed == 0, "\(replay.standardError)")
            }
        }

        /// Source recovery is trained on its own by fleets whose workers read the generator.
        @Test func sourceRecoveryLearnsFromAGeneratorsErrors() throws {
            try withRun(.randar) { generator in
                try withFleet(of: generator) { fleet in
                    try fleet.start()
                    try fleet.expectToFinish([try fleet.worker(hasData: true)])
                }
                let settings = [
                    "recovery.generator=\(generator.path)", "recovery.width=16", "recovery.heads=2", "training.steps=6", "training.global_batch=8",
                    "training.slots=4", "checkpoints.every_steps=3",
                ]
                let config = Fixtures.packageRoot.appendingPathComponent("configs/source-recovery-tiny.yaml").path
                let runs = ["", "-other"].map { Run(path: "\(generator.path)-recovery\($0)", data: generator.data, config: config, settings: settings) }
                defer { for run in runs { try? FileManager.default.removeItem(atPath: run.path) } }
                for (index, run) in runs.enumerated() {
                    try withFleet(of: run) { fleet in
                        try fleet.start(minimumWorkers: 1 + index)
                        try fleet.expectToFinish(try (0...index).map { try fleet.worker(threads: 2 - $0, hasData: $0 == 0) })
                    }
                }
                try runs[1].expectEqual(to: runs[0])
                let shares = try runs[0].journal().compactMap { $0.values["corrupted_codes"] }
                #expect(shares.count == 6 && shares.allSatisfy { $0 > 0 && $0 < 0.5 }, "\(shares)")
                let stored = try RunConfiguration(file: "\(runs[0].path)/config.yaml")
                #expect(stored.recovery.sha256 != nil && stored.recovery.bits == 6 && stored.recovery.grid == 4)
                let recovery = try RecoveryCheckpoint(path: runs[0].path, weights: .raw)
                #expect(recovery.step == 6 && recovery.tokenizerDigest == MadeUpTokens().tokenizer)
                // The generator goes on; it is another one then.
                let more = Run(path: generator.path, data: generator.data, config: generator.config, settings: generator.settings)
                try FileManager.default.removeItem(atPath: more.path)
                try withFleet(of: more) { fleet in
                    try fleet.start(more: ["--set", "seed=2"])
                    try fleet.expectToFinish([try fleet.worker(hasData: true)])
                }
                try expectRefusal("mvq-coordinator", runs[0].arguments, exitCode: 78, "recovery.sha256")
            }
        }

        @Test func tokensThatDoNotFitAreRefused() throws {
            try withRun(.llamagen) { run in
                try expectRefusal(
                    "mvq-coordinator", run.arguments + ["--set", "generator.post_bits=4"], exitCode: 78, run.data, "codes of 6 bits", "3 + 4",
                    "--set generator.pre_bits=2 --set generator.post_bits=4")
                try expectRefusal(
                    "mvq-coordinator", run.arguments + ["--set", "generator.classes=1000"], exitCode: 78, "has classes 10, generator.classes says 1000")
                let images = Run(path: run.path, data: try Workshop.here().dataset(), config: run.config, settings: run.settings)
                try expectRefusal("mvq-coordinator", images.arguments, exitCode: 65, images.data, "mvq tokenize")
                #expect(!FileManager.default.fileExists(atPath: run.path), "no run was begun")
            }
            try withRun(.randar, tokens: { $0.keptCounts = [9, 16] }) { run in
                _ = try expectRefusal("mvq-coordinator", run.arguments, exitCode: 78, "records of 9, 16 kept tokens", "--keep 9")
            }
            try withRun(.mergear, tokens: { $0.keptCounts = [9, 12] }) { run in
                _ = try expectRefusal("mvq-coordinator", run.arguments, exitCode: 78, "12 kept tokens, no square")
            }
        }

        /// Another file of the same shape, by the same tokenizer or by another: a run goes on with its own alone.
        @Test func aRunKeepsItsTokens() throws {
            try withRun(.llamagen) { run in
                try withFleet(of: run) { fleet in
                    try fleet.start()
                    try fleet.expectToFinish([try fleet.worker(hasData: true)])
                }
                var tokens = MadeUpTokens()
                tokens.seed = 2
                try tokens.write(to: run.data)
                try expectRefusal("mvq-coordinator", run.arguments + ["--set", "training.steps=9"], exitCode: 78, "training.steps 8, not 9")
                try expectRefusal("mvq-coordinator", run.arguments, exitCode: 65, "was started on a dataset with fingerprint")
                tokens.tokenizer = String(repeating: "1", count: 64)
                try tokens.write(to: run.data)
                try expectRefusal("mvq-coordinator", run.arguments, exitCode: 78, "generator.tokenizer 000")
                // Nor is a generator a tokenizer.
                try expectRefusal(
                    "mvq", ["reconstruct", "--checkpoint", run.path, "--data", try Workshop.here().dataset(), "--out", run.path + ".png"], exitCode: 66,
                    "is of a generator; give that of a tokenizer")
            }
        }
    }
}
