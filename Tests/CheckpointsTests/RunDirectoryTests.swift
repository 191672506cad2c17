import Checkpoints
import Foundation
import Testing

struct RunDirectoryTests {
    let folder = TemporaryFolder()

    @Test func eachHolderHasTheNextGeneration() throws {
        let path = folder.file("runs/first")
        for expected in 1...3 {
            let run = try RunDirectory(path)
            #expect(run.generation == expected)
            try run.verifyGeneration()
        }
    }

    @Test func aSecondHolderIsRefusedWithTheFirstOnesName() throws {
        let path = folder.file("run")
        let run = try RunDirectory(path)
        do {
            _ = try RunDirectory(path)
            Issue.record("nothing thrown")
        } catch let error as RunDirectoryError {
            #expect(error.exitCode == 73)
            #expect(error.description.contains("pid \(getpid()) on host \(ProcessInfo.processInfo.hostName)"), "\(error)")
        }
        #expect(run.generation == 1)
        try run.verifyGeneration()
    }

    static let flock = "/usr/bin/flock"
    static let hasFlock = FileManager.default.isExecutableFile(atPath: flock)

    @Test(.enabled(if: hasFlock, "flock(1) is not installed"))
    func theLockHoldsBetweenProcesses() throws {
        let path = folder.file("run")
        do {
            let run = try RunDirectory(path)
            #expect(try runChild(Self.flock, ["-n", path + "/run.lock", "true"]).status == 1, "held by this process")
            _ = run.generation
        }
        #expect(try runChild(Self.flock, ["-n", path + "/run.lock", "true"]).status == 0, "free again")

        // Now the other way round: a child holds the lock until its input ends.
        let child = Process()
        child.executableURL = URL(fileURLWithPath: Self.flock)
        child.arguments = [path + "/run.lock", "sh", "-c", "echo held; cat"]
        let (input, output) = (Pipe(), Pipe())
        child.standardInput = input
        child.standardOutput = output
        try child.run()
        #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
        #expect(throws: RunDirectoryError.self) { try RunDirectory(path) }
        #expect(try String(contentsOfFile: path + "/generation", encoding: .utf8) == "1\n", "a refused holder writes nothing")
        try input.fileHandleForWriting.close()
        child.waitUntilExit()
        #expect(try RunDirectory(path).generation == 2)
    }

    @Test func aHolderLearnsThatItWasSuperseded() throws {
        let run = try RunDirectory(folder.file("run"))
        try FileSystem.replace(run.path + "/generation", with: "2\n")
        #expect(throws: RunDirectoryError.superseded(path: run.path, own: 1, current: 2)) { try run.verifyGeneration() }
    }

    @Test(arguments: ["", "7", "seven\n", "-1\n"])
    func aDamagedGenerationIsNotGuessed(text: String) throws {
        try FileManager.default.createDirectory(atPath: folder.file("run"), withIntermediateDirectories: true)
        try FileSystem.replace(folder.file("run/generation"), with: text)
        #expect(throws: RunDirectoryError.self) { try RunDirectory(folder.file("run")) }
    }

    @Test func keepsTheConfiguration() throws {
        let run = try RunDirectory(folder.file("run"))
        #expect(try run.storedConfig() == nil)
        try run.storeConfig("model: größe\n")
        #expect(try run.storedConfig() == "model: größe\n")
    }

    @Test func replacingAFileLeavesNoTemporaryName() throws {
        try FileSystem.replace(folder.file("small"), with: "one")
        try FileSystem.replace(folder.file("small"), with: "two")
        #expect(try FileSystem.read(folder.file("small")) == Array("two".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["small"])
        #expect(throws: FileError.self) {
            try FileSystem.replace(folder.file("no/small"), with: "x")
        }
    }
}

struct AppendOnlyFileTests {
    let folder = TemporaryFolder()

    @Test func keepsLinesOverReopening() throws {
        let path = folder.file("journal.jsonl")
        do {
            let file = try AppendOnlyFile(path: path)
            #expect(file.tornLine == nil)
            try file.append("one\r")
            try file.append("")
        }
        let file = try AppendOnlyFile(path: path)
        try file.append("größe")
        #expect(file.tornLine == nil)
        #expect(try file.lines() == ["one\r", "", "größe"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "one\r\n\ngröße\n")
    }

    /// A cut at every byte of the last line, which is longer than one block of the backwards search.
    @Test(arguments: [1, 2, 3, 100, 65_535, 65_536, 65_537, 150_000])
    func cutsTheTornLineOff(tornBytes: Int) throws {
        let path = folder.file("journal.jsonl")
        let torn = String(repeating: "x", count: tornBytes)
        for before in ["", "first\nsecond\n"] {
            try Data((before + torn).utf8).write(to: URL(fileURLWithPath: path))
            let file = try AppendOnlyFile(path: path)
            #expect(file.tornLine == torn)
            try file.append("next")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == before + "next\n")
        }
    }

    @Test func truncatesAtTheFirstUnwantedLine() throws {
        let file = try AppendOnlyFile(path: folder.file("metrics.jsonl"), isSynchronised: false)
        for step in 1...5 { try file.append("step \(step)") }
        #expect(try file.truncate { $0 != "step 3" } == 3)
        try file.append("step 3 again")
        #expect(try file.lines() == ["step 1", "step 2", "step 3 again"])
        #expect(try file.truncate { _ in true } == 0)
    }
}
