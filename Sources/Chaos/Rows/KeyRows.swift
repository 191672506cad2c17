import Fleet
import Foundation
import Transport

/// Peers with the wrong keys.
enum KeyRows {
    /// Long enough for a list to be read again while the run is there.
    private static let pace = "worker.compute@1+=slow:0.06"

    static let wrongKey = FaultRow(
        20, "Wrong, revoked or no key",
        injection: "workers with a key that is not on the list, with another coordinator's key, without keys; 30 peers that try again and again, and a flood of handshakes that fail; a key taken off the list in mid-run",
        expected: "nobody is taken in, each worker ends with 77 and the mend; those on the list train on", obstacle: { _ in noEncryption }
    ) { drill in
        try drill.run("strangers, and a burst of handshakes that fail") { fleet in
            let (ours, theirs) = (try keys(drill, ["node1", "node2"]), try keys(drill, ["stranger"]))
            // Knows the coordinator, which does not know it.
            let unlisted = try keys(drill, ["stranger"]).worker("stranger")
            let pinned = "\(unlisted)/coordinator.public"
            try FileManager.default.removeItem(atPath: pinned)
            try FileManager.default.copyItem(atPath: "\(ours.coordinator)/coordinator.public", toPath: pinned)
            fleet.arguments = ["--keys", ours.coordinator]
            let coordinator = try fleet.start(minimumWorkers: 2)
            let strangers = [
                (try fleet.worker(keys: unlisted), "does not admit"), (try fleet.worker(keys: theirs.worker("stranger")), "does not have the key in"),
                (try fleet.worker(), "admits only workers with keys"),
            ]
            for (stranger, text) in strangers {
                try stranger.expectExit(ExitCode.authentication)
                try drill.require(stranger.says("mvq-worker: ", text), stranger.tail)
            }
            let context = try Context()
            let wrong = try WorkerKeys(folder: unlisted)
            // They connect again and again, until the end of the run.
            let burst = try (0..<30).map { try FakeWorker(at: fleet.run, keys: $0 % 2 == 0 ? wrong : nil, in: context) }
            let before = (memory: coordinator.residentKiB, files: coordinator.descriptorCount)
            guard let port = try Endpoint(fleet.run.endpoint ?? "").port else { throw ChaosFailure("no port to flood") }
            let flood = HandshakeFlood(port: port)
            defer { flood.end() }
            let workers = try ["node1", "node2"].map { try fleet.worker(hasData: true, keys: ours.worker($0)) }
            try fleet.waitForSteps(fleet.run.steps / 2)
            let (growth, files) = (coordinator.residentKiB - before.memory, coordinator.descriptorCount - before.files)
            let toll = flood.toll
            drill.note("\(toll.count) handshakes failed in half of the run, \(toll.perSecond) a second")
            // The two workers and a step's buffers are part of it.
            try drill.require(growth < 32 << 10 && files < 64, "the coordinator has grown by \(growth) KiB and \(files) open files")
            try fleet.finish(workers)
            for fake in burst { fake.receive() }
            try drill.require(burst.allSatisfy { $0.welcome == nil }, "a peer without the right key was welcomed")
            try drill.require(coordinator.count(" joined with ") == 2 && coordinator.count(" lost: ") == 0, coordinator.tail)
            try drill.require(coordinator.says("is not in authorized_keys"), coordinator.tail)
        }
        try drill.run("taken off the list in mid-run") { fleet in
            let folder = try keys(drill, ["node1", "node2"])
            fleet.arguments = ["--keys", folder.coordinator]
            let coordinator = try fleet.start(minimumWorkers: 2)
            let stays = try fleet.worker(hasData: true, failpoints: pace, keys: folder.worker("node1"))
            let goes = try fleet.worker(hasData: true, failpoints: pace, keys: folder.worker("node2"))
            try fleet.waitForSteps(1)
            let list = "\(folder.coordinator)/authorized_keys"
            let lines = try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n")
            try (lines.filter { !$0.hasSuffix(" node2") }.joined(separator: "\n") + "\n").write(toFile: list, atomically: false, encoding: .utf8)
            try goes.expectExit(ExitCode.authentication)
            try drill.require(goes.says("mvq-worker: ", "does not admit this worker's key any more"), goes.tail)
            try drill.require(coordinator.says("shut out: ", "node2"), coordinator.tail)
            try fleet.finish([stays])
        }
    }

    static let spoofed = FaultRow(
        21, "A valid worker speaks in another's session",
        injection: "a peer whose key is on the list opens sockets under the session of a worker at work, and of one that is just joining",
        expected: "what it says is dropped and reported; both victims keep their sessions", obstacle: { _ in noEncryption }
    ) { drill in
        try drill.run("a thief") { fleet in
            let folder = try keys(drill, ["node1", "node2", "thief"])
            let thief = try WorkerKeys(folder: folder.worker("thief"))
            fleet.arguments = ["--keys", folder.coordinator]
            let coordinator = try fleet.start()
            let worker = try fleet.worker(hasData: true, failpoints: "worker.compute@1+=slow:0.02", keys: folder.worker("node1"))
            let victim = try FakeWorker(at: fleet.run, keys: try WorkerKeys(folder: folder.worker("node2")))
            let welcome = try victim.await("a welcome") { if case .welcome(let welcome) = $0 { welcome } else { nil } }
            // The victim's bulk socket is not there yet: the thief's takes its name.
            let early = try FakeWorker(at: fleet.run, hello: false, keys: thief, session: victim.session)
            let bulk = try early.openBulk(welcome.bulkPort)
            early.send([BulkHeaderCodec.encode(early.header(welcome, .attach)), []], on: bulk)
            early.send([[1, 2, 3]], on: bulk)
            early.say(.leave(reason: "said by a thief"))
            try coordinator.waitToSay("key thief ", "spoke in session \(victim.session.description.prefix(8))")
            // In the session of a worker at work.
            try fleet.waitForSteps(1)
            guard let session = try fleet.run.sessions().first else { throw ChaosFailure("nobody computed the first step") }
            let late = try FakeWorker(at: fleet.run, keys: thief, session: session)
            late.send([BulkHeaderCodec.encode(late.header(welcome, .attach)), []], on: try late.openBulk(welcome.bulkPort))
            late.say(.leave(reason: "said by a thief"))
            // Only a member can leave.
            victim.say(.leave(reason: "drill over"))
            try coordinator.waitToSay("\(victim.session.description.prefix(8)) ", " left: drill over")
            try fleet.finish([worker])
            late.receive()
            try drill.require(late.welcome == nil && !coordinator.says("said by a thief"), "the thief was heard\n  \(coordinator.tail)")
            try drill.require(coordinator.count(" lost: ") == 0, "a victim was given up\n  \(coordinator.tail)")
        }
    }

    /// Whether the messaging library encrypts; the reason why not.
    private static let noEncryption: String? = {
        do {
            _ = try KeyPair.random()
            return nil
        } catch {
            return "\(error)"
        }
    }()

    /// Keys of a coordinator and its workers, made as `mvq keygen` makes them.
    private static func keys(_ drill: Drill, _ workers: [String]) throws -> KeyFolder {
        let folder = KeyFolder(drill.site.path("keys"))
        _ = try folder.makeCoordinator()
        for name in workers { _ = try folder.makeWorker(named: name) }
        return folder
    }
}
