import Checkpoints
import Foundation
import Testing
import Training

/// A program of the system, looked for in PATH.
enum SystemTool {
    static let h5dump = find("h5dump")
    /// `MVQ_PYTHON`, or the first python3 in PATH, if it has h5py.
    static let pythonWithH5py: String? = {
        guard let python = ProcessInfo.processInfo.environment["MVQ_PYTHON"] ?? find("python3") else { return nil }
        return (try? run(python, ["-c", "import h5py"]))?.exitCode == 0 ? python : nil
    }()

    private static func find(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a program to its end and returns what it wrote to standard output.
    static func run(_ path: String, _ arguments: [String]) throws -> (exitCode: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }
}

extension ProcessTests {
    /// The checkpoints of a run, read by programs that know nothing of us.
    @Suite struct CheckpointToolTests {
        @Test(.enabled(if: SystemTool.h5dump != nil, "no h5dump: install hdf5-tools"))
        func h5dumpReadsACheckpoint() throws {
            let run = try Workshop.here().reference()
            let (exitCode, output) = try SystemTool.run(try #require(SystemTool.h5dump), ["-H", run.store.path(of: Run.steps)])
            #expect(exitCode == 0)
            for group in ["model", "ema", "optimizer", "generator", "first_moment", "second_moment", "state"] {
                #expect(output.contains("GROUP \"\(group)\""))
            }
            let layout = try TokenizerTask(run.configuration).layout
            let names = output.components(separatedBy: "DATASET \"").dropFirst().compactMap {
                $0.split(separator: "\"").first.map(String.init)
            }
            for parameter in layout.parameters { #expect(names.count { $0 == parameter.name } == 4, "\(parameter.name) in four groups") }
            #expect(names.count == 4 * layout.parameters.count)
            #expect(output.contains("DATATYPE  H5T_IEEE_F32LE") && output.contains("ATTRIBUTE \"weights_digest\""))
        }

        @Test(.enabled(if: SystemTool.pythonWithH5py != nil, "no Python with h5py: install python3-h5py, or set MVQ_PYTHON"))
        func threeLinesOfPythonReadACheckpoint() throws {
            let run = try Workshop.here().reference()
            let script = """
                import h5py, sys
                file = h5py.File(sys.argv[1])
                print(file["state"].attrs["step"], file["state"].attrs["weights_digest"].decode(), *file["model"][sys.argv[2]][:].ravel())
                """
            let loaded = try run.store.load(step: Run.steps)
            let (name, array) = try #require(
                loaded.checkpoint.arrays(under: "/model").sorted { $0.key < $1.key }.first { (10...100).contains($0.value.values.count) })
            let (exitCode, output) = try SystemTool.run(
                try #require(SystemTool.pythonWithH5py), ["-c", script, run.store.path(of: Run.steps), name])
            #expect(exitCode == 0)
            let words = output.split(whereSeparator: \.isWhitespace)
            try #require(words.count == 2 + array.values.count, "\(output)")
            #expect(try words[0] == "20" && String(words[1]) == run.journal().last?.weightsDigest)
            #expect(words.dropFirst(2).map { Float($0) } == array.values.map { Optional($0) }, "\(name)")
        }

        @Test func inspectShowsWhatTheRunKnows() throws {
            let run = try Workshop.here().reference()
            for path in [run.path, run.store.path(of: Run.steps)] {
                let (exitCode, command) = try Workshop.here().command("mvq", ["inspect", path, "--json"])
                #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
                let json = try #require(try JSONSerialization.jsonObject(with: Data(command.standardOutput.utf8)) as? [String: Any])
                let state = try #require(json["state"] as? [String: Any])
                #expect(json["step"] as? Int == 20 && json["integrity"] as? String == "verified")
                #expect(state["weights_digest"] as? String == (try run.journal().last?.weightsDigest))
                #expect(state["sample_count"] as? Int == 160 && state["epoch"] as? Int == 2)
                let parameters = try TokenizerTask(run.configuration).layout.parameters.count
                #expect((json["tensors"] as? [Any])?.count == 4 * parameters)
            }
        }
    }
}
