import Foundation
import Testing
import Transport

/// Keys as files: who may read them, what is refused, and that nothing is ever overwritten.
@Suite struct KeyFileTests {
    @Test func everyRoleGetsAFolderOfItsOwn() throws {
        let ring = try KeyRing(workers: ["node1", "node2"])
        let (folder, files) = (ring.folder, FileManager.default)
        #expect(try files.contentsOfDirectory(atPath: folder.coordinator).sorted() == ["authorized_keys", "coordinator.public", "coordinator.secret"])
        #expect(try files.contentsOfDirectory(atPath: folder.worker("node1")).sorted() == ["coordinator.public", "worker.public", "worker.secret"])
        for file in [folder.coordinator + "/coordinator.secret", folder.worker("node1") + "/worker.secret"] {
            #expect(try permissions(file) == 0o600)
            #expect(try String(contentsOfFile: file, encoding: .utf8).utf8.count == 41, "40 characters and a line end")
        }
        for file in [folder.coordinator + "/coordinator.public", folder.worker("node1") + "/worker.public", ring.listFile] {
            #expect(try permissions(file) == 0o644)
        }
        let coordinator = try CoordinatorKeys(folder: folder.coordinator)
        let workers = try ["node1", "node2"].map { try ring.keys($0) }
        #expect(Set(workers.map(\.publicKey) + [coordinator.publicKey]).count == 3)
        let authorized = try AuthorizedKeys(ring.list, file: "list")
        #expect(authorized.names == [workers[0].publicKey: "node1", workers[1].publicKey: "node2"])
        #expect(!authorized.contains(coordinator.publicKey))
        #expect(try String(contentsOfFile: folder.worker("node2") + "/coordinator.public", encoding: .utf8) == "\(coordinator.publicKey)\n")
    }

    @Test func nothingIsOverwritten() throws {
        let ring = try KeyRing(workers: ["node1"])
        let (secret, list) = (try Data(contentsOf: URL(fileURLWithPath: ring.folder.worker("node1") + "/worker.secret")), try ring.list)
        for make in [{ try ring.folder.makeCoordinator() }, { try ring.folder.makeWorker(named: "node1") }] {
            let error = #expect(throws: KeyError.self) { try make() }
            #expect(error?.exitCode == 64 && error?.description.contains("never overwritten") == true)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: ring.folder.worker("node1") + "/worker.secret")) == secret)
        #expect(try ring.list == list)
        for name in ["", "..", ".x", "-x", "a/b", "a b", "coordinator", "ü", String(repeating: "x", count: 65)] {
            #expect(throws: KeyError.badName(name)) { try ring.folder.makeWorker(named: name) }
        }
        #expect(throws: KeyError.self, "no coordinator there yet") { try KeyFolder(ring.folder.path + "/other").makeWorker(named: "x") }
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o644, 0o610]) func aSecretThatOthersMayReadIsRefused(mode: Int) throws {
        let ring = try KeyRing(workers: ["node1"])
        let secrets = [ring.folder.worker("node1") + "/worker.secret", ring.folder.coordinator + "/coordinator.secret"]
        for file in secrets { try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file) }
        let errors = [
            #expect(throws: KeyError.exposed(file: secrets[0], mode: UInt32(mode))) { try ring.keys("node1") },
            #expect(throws: KeyError.exposed(file: secrets[1], mode: UInt32(mode))) { try CoordinatorKeys(folder: ring.folder.coordinator) },
        ]
        for (error, file) in zip(errors, secrets) {
            #expect(error?.exitCode == 77 && error?.description.contains("run 'chmod 600 \(file)'") == true)
            try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: file)
        }
        _ = try (ring.keys("node1"), CoordinatorKeys(folder: ring.folder.coordinator))
    }

    /// Whoever may write the list, or the key that the coordinator is checked by, decides whom this machine trusts.
    @Test func aListThatOthersMayWriteIsRefused() throws {
        let ring = try KeyRing(workers: ["node1"])
        let files = [ring.listFile, ring.folder.worker("node1") + "/coordinator.public"]
        for file in files { try FileManager.default.setAttributes([.posixPermissions: 0o664], ofItemAtPath: file) }
        #expect(throws: KeyError.writable(file: files[0], mode: 0o664)) { try CoordinatorKeys(folder: ring.folder.coordinator) }
        #expect(throws: KeyError.writable(file: files[1], mode: 0o664)) { try ring.keys("node1") }
    }

    @Test func damagedAndMissingFilesAreNamed() throws {
        let ring = try KeyRing(workers: ["node1"])
        let file = ring.folder.worker("node1") + "/coordinator.public"
        try Data("0123456789".utf8).write(to: URL(fileURLWithPath: file))
        let error = #expect(throws: KeyError.self) { try ring.keys("node1") }
        #expect(error?.description == "\(file), line 1: is no key of 40 characters; copy the file again" && error?.exitCode == 77)
        // The wrong role's folder.
        let missing = #expect(throws: KeyError.self) { try CoordinatorKeys(folder: ring.folder.worker("node1")) }
        #expect(missing?.description.contains("coordinator.secret: not there; give the coordinator's folder") == true && missing?.exitCode == 77)
    }

    /// `#` is a character of keys, but never the first: the largest key is 32 bytes of 255.
    @Test func commentsAndKeysAreToldApart() throws {
        #expect(CurveKey(String(repeating: "%nSc0", count: 8)) != nil && CurveKey("%nSc1" + String(repeating: "0", count: 35)) == nil)
        for first in "$#" { #expect(CurveKey("\(first)" + String(repeating: "0", count: 39)) == nil) }
        let key = "0#" + String(repeating: "0", count: 38)
        let list = try AuthorizedKeys("# a comment\n#\n#\(key) old\n\(key) node 1\r\n  \n", file: "list")
        #expect(list.names == [try #require(CurveKey(key)): "node 1"])
        for (text, line) in [("\n# x\n0123", 3), ("\(key)\n\(key) again", 2), (String(repeating: "0", count: 41), 1), ("ü", 1)] {
            let error = #expect(throws: KeyError.self, "\(text)") { try AuthorizedKeys(text, file: "list") }
            #expect(error?.description.hasPrefix("list, line \(line): ") == true)
        }
    }

    @Test(arguments: [
        ("tcp://127.0.0.1:1", true), ("tcp://127.8.9.10:*", true), ("tcp://localhost:7700", true), ("tcp://[::1]:7700", true),
        ("tcp://0.0.0.0:7700", false), ("tcp://*:7700", false), ("tcp://127.0.0.1.example.org:7700", false), ("tcp://127.0.0.1;head:7700", false),
        ("tcp://head:7700", false), ("tcp://10.0.0.1:7700", false), ("tcp://[::]:1", false), ("tcp://127.0.0.256:1", false), ("tcp://lo:1", false),
    ]) func withoutKeysOnlyThisMachine(address: String, isLoopback: Bool) throws {
        for check in [{ try CoordinatorSecurity.loopbackOnly.check(listen: address) }, { try WorkerSecurity.loopbackOnly.check(connect: address) }] {
            if isLoopback {
                try check()
            } else {
                let error = #expect(throws: TransportError.self) { try check() }
                #expect(error?.exitCode == 64 && error?.description.contains("--keys") == true && error?.description.contains("--insecure") == true)
            }
        }
        try CoordinatorSecurity.insecure.check(listen: address)
        try WorkerSecurity.insecure.check(connect: address)
    }

    /// The rule holds in the loops themselves, not just on command lines, and for the bulk address too.
    @Test func theLoopsKeepToTheRule() throws {
        for (listen, bulk) in [("tcp://0.0.0.0:*", nil), ("tcp://127.0.0.1:*", "tcp://0.0.0.0:*")] {
            #expect(throws: TransportError.unprotected(bulk ?? listen, isCoordinator: true)) {
                try CoordinatorLoop(
                    configuration: Toy.configuration(), plan: Toy.plan(step: 0), listen: listen, bulkListen: bulk, delegate: ToyCoordinator(steps: 1))
            }
        }
        #expect(throws: TransportError.unprotected("tcp://head:7700", isCoordinator: false)) {
            try WorkerLoop(address: "tcp://head:7700", hello: Toy.hello(0), delegate: ToyWorker())
        }
    }
}
