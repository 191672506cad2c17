import Foundation
import Testing
import Training

extension ProcessTests {
    /// What people get wrong on command lines: one line and the documented exit code.
    @Suite struct CommandLineTests {
        @Test(arguments: [
            ("mvq-coordinator", ["--config", "x", "--data", "x", "--run", "x", "--speed", "9"], "Unknown option '--speed'"),
            ("mvq-coordinator", ["--config", "x"], "Missing expected argument '--run <dir>'"),
            ("mvq-coordinator", ["--config", "x", "--run", "y"], "--data is missing"),
            (
                "mvq-coordinator", ["--config", "x", "--data", "x", "--run", "x", "--min-workers", "0"],
                "--min-workers is 0; it must be 1 or more"
            ),
            ("mvq-coordinator", ["--config", "x", "--data", "x", "--run", "x", "--set", "steps"], "--set"),
            ("mvq-worker", ["--connect", "tcp://127.0.0.1:1", "--speed"], "Unknown option '--speed'"),
            ("mvq-worker", [], "--connect <address>"),
            ("mvq-worker", ["--connect", "somewhere"], "tcp://host:port"),
            ("mvq-worker", ["--connect", "tcp://127.0.0.1:1", "--log-level", "loud"], "debug"),
            ("mvq", ["reconstruct", "--speed"], "mvq reconstruct --help"), ("mvq", ["fly"], "mvq --help"),
            ("mvq", ["reconstruct", "--checkpoint", "x", "--data", "x", "--weights", "fat"], "'ema' and 'raw'"),
            (
                "mvq", ["dataset", "synthesize", "--out", "/proc", "--classes", "0"],
                "the number of classes is 0; it must be between 1 and 9999"
            )
        ])
        func aWrongCommandLineIsOneLine(name: String, arguments: [String], part: String) throws {
            try expectRefusal(name, arguments, exitCode: 64, part)
        }

        @Test(arguments: ["mvq", "mvq-coordinator", "mvq-worker"]) func helpAndVersionAreNoErrors(name: String) throws {
            for (option, part) in [("--help", "USAGE: \(name)"), ("--version", BuildVersion.current)] {
                let (exitCode, command) = try Workshop.here().command(name, [option])
                #expect(exitCode == 0 && command.standardError == "" && command.standardOutput.contains(part), "\(name) \(option)")
            }
        }

        @Test func whatIsNoCheckpointIsNamed() throws {
            let workshop = try Workshop.here()
            let data = try workshop.dataset()
            try expectRefusal(
                "mvq", ["inspect", Run.preset], exitCode: 66, "\(Run.preset): is no checkpoint", "give a file that training has written")
            try expectRefusal(
                "mvq", ["reconstruct", "--checkpoint", Run.preset, "--data", data], exitCode: 66, "\(Run.preset): is no checkpoint")
            for command in ["inspect", "reconstruct"] {
                for path in ["\(data)/absent.h5", data] {
                    let arguments = command == "inspect" ? [path] : ["--checkpoint", path, "--data", data]
                    try expectRefusal("mvq", [command] + arguments, exitCode: 66, path)
                }
            }
        }

        @Test func anAbsurdModelIsRefused() throws {
            let file = try Workshop.here().path("absurd.yaml")
            let sizes = "model:\n  channels: 65536\n  channel_multipliers: [1024, 1024, 1024, 1024]\n  attention_blocks: 1024\n  residual_blocks: 1024\n"
            try (sizes + "merging:\n  kept_tokens: 64\n  candidates: 1\n").write(toFile: file, atomically: true, encoding: .utf8)
            for arguments in [["inspect", "--config", file], ["bench", "step", "--config", file]] {
                try expectRefusal("mvq", arguments, exitCode: 78, "\(file): model has ", "lower model.channels")
            }
        }

        @Test func reconstructionNamesWhatIsWrong() throws {
            let reference = try Workshop.here().reference()
            func arguments(_ more: String...) -> [String] { ["reconstruct", "--checkpoint", reference.path] + more }
            for kept in ["0", "6", "65", "-3"] {
                try expectRefusal(
                    "mvq", arguments("--data", reference.data, "--kept-tokens=\(kept)"), exitCode: 78, "\(kept) kept tokens",
                    "keep 7 to 64")
            }
            let train = "\(reference.data)/train"
            try expectRefusal("mvq", arguments("--data", train), exitCode: 65, "no folder \(train)/val", "expected ImageNet's layout")
            try expectRefusal(
                "mvq", arguments("--data", reference.data, "--limit", "1", "--out", "\(train)/absent/x.png"), exitCode: 64,
                "\(train)/absent/x.png", "make it first")
        }
    }
}
