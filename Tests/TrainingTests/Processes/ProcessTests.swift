import Foundation
import ImageData
import Testing

/// Tests of the three commands as real processes, one after the other: each fleet uses all cores.
@Suite(.serialized, .workshop) enum ProcessTests {}

/// What the tests of real processes share: a folder, a dataset, and one finished run to compare with.
final class Workshop: @unchecked Sendable {
    // Sendable: the suite is serialized, one test at a time uses it.
    @TaskLocal static var current: Workshop?

    let folder: String
    private var finished: Run?
    private var finishedSmall: Run?
    private var drawn: String?
    private var count = 0

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("mvq-processes-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The workshop of this test run.
    static func here() throws -> Workshop { try #require(current) }

    /// A new name below the folder.
    func path(_ name: String) -> String {
        count += 1
        return "\(folder)/\(count)-\(name)"
    }

    /// Runs a command to its end.
    func command(_ name: String, _ arguments: [String]) throws -> (exitCode: Int32, command: Command) {
        let command = try Command(name, arguments, folder: folder, label: (path("command") as NSString).lastPathComponent)
        return (try command.exitCode(), command)
    }

    /// 4 classes of 40 training images, 64 × 64 pixels, drawn by `mvq dataset synthesize`.
    func dataset() throws -> String {
        if let drawn { return drawn }
        let data = path("data")
        let (exitCode, command) = try self.command(
            "mvq", ["dataset", "synthesize", "--out", data, "--classes", "4", "--per-class", "40", "--size", "64"])
        #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
        #expect(command.standardOutput == "\(data): 4 classes, 40 training and 4 validation images each\n")
        drawn = data
        return data
    }

    /// A run of 20 steps by one worker with one thread: what all others must equal. Its folder is not to be changed.
    func reference() throws -> Run {
        if let finished { return finished }
        let run = try reference(Run(path: path("reference"), data: try dataset()))
        finished = run
        return run
    }

    /// The same for `Run.smallModel`.
    func smallReference() throws -> Run {
        if let finishedSmall { return finishedSmall }
        var run = Run(path: path("small-reference"), data: try dataset())
        run.settings = Run.smallModel
        run = try reference(run)
        finishedSmall = run
        return run
    }

    private func reference(_ run: Run) throws -> Run {
        try withFleet(of: run) { fleet in
            try fleet.start()
            let worker = try fleet.worker(threads: 1, hasData: true)
            try fleet.expectToFinish([worker])
        }
        return run
    }
}

/// Makes a workshop for a suite and removes it afterwards.
struct WorkshopTrait: SuiteTrait, TestScoping {
    func provideScope(for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void)
        async throws
    {
        try await Workshop.$current.withValue(try Workshop()) { try await function() }
    }
}

extension Trait where Self == WorkshopTrait {
    static var workshop: Self { WorkshopTrait() }
}
