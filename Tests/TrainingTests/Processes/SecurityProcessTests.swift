import Foundation
import TestKit
import Testing

extension ProcessTests {
    /// Keys, from `mvq keygen` to the weights; and what a peer without any can do to a coordinator.
    @Suite struct SecurityProcessTests {
        /// Folders of keys, with workers of these names.
        private func keys(_ workers: String...) throws -> String {
            let workshop = try Workshop.here()
            let folder = workshop.path("keys")
            for more in [[]] + workers.map({ ["--worker", $0] }) {
                let (exitCode, command) = try workshop.command("mvq", ["keygen", "--out", folder] + more)
                #expect(exitCode == 0 && command.lines.isEmpty && command.standardOutput.contains("public key "), "\(command.standardError)")
            }
            return folder
        }

        /// A fleet with keys computes what one without computes; a worker without keys, and one whose key was taken off the list, are told and end.
        @Test func aFleetWithKeysComputesTheSameBits() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference().results()
            let keys = try keys("node1", "node2", "gone")
            let list = "\(keys)/coordinator/authorized_keys"
            let lines = try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n").filter { !$0.hasSuffix(" gone") }
            try FileHandle(forWritingTo: URL(fileURLWithPath: list)).truncate(atOffset: 0)
            try lines.joined(separator: "\n").write(toFile: list, atomically: false, encoding: .utf8)
            try workshop.withRun({
                $0.settings[0] = "training.steps=3"
                $0.more = ["--keys", "\(keys)/coordinator"]
            }) { fleet in
                try fleet.start(minimumWorkers: 2)
                let gone = try fleet.worker(hasData: false, more: ["--keys", "\(keys)/gone"])
                let stranger = try fleet.worker(hasData: false)
                #expect(try gone.exitCode() == 77)
                expectOneComplaint(gone, ["does not admit this worker's key", "add the line of \(keys)/gone/worker.public"])
                #expect(try stranger.exitCode() == 77)
                expectOneComplaint(stranger, ["admits only workers with keys", "mvq keygen --out keys --worker NAME"])
                try fleet.expectToFinish(["node1", "node2"].map { try fleet.worker(hasData: $0 == "node1", more: ["--keys", "\(keys)/\($0)"]) })
                #expect(fleet.coordinator?.standardError.contains("a peer at 127.0.0.1 was turned away") == true)
                let areEqual = try fleet.run.results() == Array(reference.prefix(3))
                #expect(areEqual)
            }
        }

        @Test func commandLinesWithoutOrWithBadKeys() throws {
            let workshop = try Workshop.here()
            let keys = try keys("node1")
            let run = ["--config", Run.preset, "--data", try workshop.dataset(), "--run", workshop.path("run")]
            try expectRefusal(
                "mvq-coordinator", run + ["--listen", "tcp://0.0.0.0:*"], exitCode: 64, "--listen tcp://0.0.0.0:*", "mvq keygen", "--insecure")
            try expectRefusal("mvq-worker", ["--connect", "tcp://192.0.2.1:7700"], exitCode: 64, "--connect tcp://192.0.2.1:7700", "--insecure")
            for command in [("mvq-coordinator", run), ("mvq-worker", ["--connect", "tcp://127.0.0.1:1"])] {
                try expectRefusal(command.0, command.1 + ["--keys", keys, "--insecure"], exitCode: 64, "--keys and --insecure exclude each other")
                try expectRefusal(command.0, command.1 + ["--keys", keys], exitCode: 77, ".secret: not there", "keys/")
            }
            let secret = "\(keys)/node1/worker.secret"
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: secret)
            try expectRefusal(
                "mvq-worker", ["--connect", "tcp://127.0.0.1:1", "--keys", "\(keys)/node1"], exitCode: 77, "mode 0644", "chmod 600 \(secret)")
            try expectRefusal("mvq", ["keygen", "--out", keys], exitCode: 64, "never overwritten")
            try expectRefusal("mvq", ["keygen", "--out", keys, "--worker", "a/b"], exitCode: 64, "'a/b' cannot name a worker")
        }

        @Test func insecurityIsSaid() throws {
            try Workshop.here().withRun({
                $0.listen = "tcp://0.0.0.0:*"
                $0.more = ["--insecure"]
            }) { fleet in
                let coordinator = try fleet.start()
                try coordinator.eventually("a warning") { coordinator.lines.contains { $0.hasPrefix("INSECURE: whoever reaches tcp://0.0.0.0:") } }
            }
        }

        /// Peers that announce a gigabyte, as a message and, before any key was shown, as a part of the handshake: cut off, and no memory is set
        /// aside for them.
        @Test(arguments: [false, true]) func aGigabyteIsNotBelieved(hasKeys: Bool) throws {
            let keys = hasKeys ? try keys() : ""
            try Workshop.here().withRun({ if hasKeys { $0.more = ["--keys", "\(keys)/coordinator"] } }) { fleet in
                let coordinator = try fleet.start()
                let port = try #require(fleet.endpoint.flatMap { $0.split(separator: ":").last }.flatMap { Int($0) })
                func kilobytes(_ name: String) throws -> Int {
                    let status = try String(contentsOfFile: "/proc/\(coordinator.processID)/status", encoding: .utf8)
                    let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
                    return try #require(line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
                }
                // What it needs for itself it has by then.
                try coordinator.eventually("its first checkpoint") { coordinator.lines.contains { $0.hasPrefix("checkpoint ") } }
                let (memory, addresses) = (try kilobytes("VmHWM:"), try kilobytes("VmPeak:"))
                for _ in 0..<16 {
                    let peer = try TCPConnection(port: port)
                    let mechanism = Array((hasKeys ? "CURVE" : "NULL").utf8)
                    peer.send([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0] + mechanism + [UInt8](repeating: 0, count: 52 - mechanism.count))
                    let greeting = try #require(peer.receive(64))
                    #expect(Array(greeting[12..<12 + mechanism.count]) == mechanism)
                    if !hasKeys {
                        // READY of a DEALER, and the coordinator's own.
                        let properties = Array("\u{05}READY\u{0b}Socket-Type\u{0}\u{0}\u{0}\u{06}DEALER".utf8)
                        peer.send([4, UInt8(properties.count)] + properties)
                        let head = try #require(peer.receive(2))
                        #expect(head[0] == 4 && peer.receive(Int(head[1])) != nil)
                    }
                    // A long frame, of a command while there is no other: 2³⁰ bytes follow, or as many as are taken.
                    peer.send([hasKeys ? 6 : 2, 0, 0, 0, 0, 0x40, 0, 0, 0])
                    let piece = [UInt8](repeating: 7, count: 1 << 20)
                    var sent = 0
                    while sent < 256, peer.send(piece) { sent += 1 }
                    #expect(sent < 256, "the connection was not cut")
                }
                // Of 256 MiB that each of them was ready to send.
                let (grown, reserved) = (try kilobytes("VmHWM:") - memory, try kilobytes("VmPeak:") - addresses)
                #expect(grown < 64 << 10 && reserved < 1 << 20, "\(grown) and \(reserved) KiB more")
                #expect(coordinator.isRunning)
            }
        }
    }
}
