import Checksums
import Fleet
import Foundation
import Transport

/// Peers that are too many, repeat themselves, talk nonsense, or belong elsewhere.
enum PeerRows {
    /// Steps of a fifth of a second, so that the run is still there when the peers are done.
    private static let pace = "worker.compute@1+=slow:0.02"

    static let storm = FaultRow(
        15, "Join storm", injection: "250 (short) or 1000 fake workers say hello at once, in mid-run", expected: "all are welcomed; memory stays bounded; no step is lost"
    ) { drill in
        let count = drill.form.isShort ? 250 : 1000
        try drill.run("\(count) workers") { fleet in
            let coordinator = try fleet.start()
            let worker = try fleet.worker(hasData: true, failpoints: pace)
            try fleet.waitForSteps(2)
            let before = coordinator.residentKiB
            let context = try Context()
            let fakes = try (0..<count).map { _ in try FakeWorker(at: fleet.run, in: context) }
            try wait(for: "\(count) welcomes", orTell: { coordinator.tail }) {
                for fake in fakes where fake.welcome == nil { fake.receive() }
                return fakes.allSatisfy { $0.welcome != nil } || !coordinator.isRunning
            }
            let growth = coordinator.residentKiB - before
            drill.note("\(count) workers take \(growth / count) KiB each of the coordinator's memory")
            // libzmq keeps two mailboxes and their first blocks for each peer.
            try drill.require(coordinator.isRunning && growth < count * 256 + 16_384, "the coordinator has grown by \(growth) KiB")
            for fake in fakes { fake.say(.leave(reason: "drill over")) }
            try fleet.finish([worker])
        }
    }

    static let replay = FaultRow(
        16, "Duplicate, reordered, replayed messages", injection: "a fake worker repeats itself, sends results of other steps, blocks, generations and sessions, and all of it again after it left",
        expected: "dropped and reported"
    ) { drill in
        try drill.run("a fake worker") { fleet in
            let coordinator = try fleet.start(minimumWorkers: 2)
            let worker = try fleet.worker(hasData: true, failpoints: pace)
            let fake = try FakeWorker(at: fleet.run)
            let welcome = try fake.join()
            let (step, block) = try fake.await("a lease") { message -> (Int, SlotBlock)? in
                if case .plan(let plan) = message { fake.say(.weightsReceived(step: plan.step)) }
                if case .lease(let step, let block, _) = message { return (step, block) }
                return nil
            }
            func replay(_ session: SessionID) {
                let other = SlotBlock(level: block.level, index: block.index ^ 1)
                for (step, block) in [(step, other), (step + 1, block), (step + 100, other), (0, other)] {
                    fake.say(.blockDone(step: step, block: block, number: 1, digest: "wrong", bytes: welcome.gradientBytes))
                }
                guard let bulk = fake.bulk else { return }
                let payload = [UInt8](repeating: UInt8(drill.integer(0...255)), count: welcome.gradientBytes)
                for (generation, named, step, index) in [
                    (welcome.generation - 1, fake.session, step, block.index), (welcome.generation + 1, fake.session, step, block.index),
                    (welcome.generation, session, step, block.index), (welcome.generation, fake.session, step + 1, block.index),
                    (welcome.generation, fake.session, step, other.index),
                ] {
                    var header = fake.header(welcome, .gradient, generation: generation, session: named)
                    (header.step, header.index, header.level, header.chunkCount) = (step, index, block.level, 1)
                    (header.payloadBytes, header.totalBytes, header.payloadChecksum) = (payload.count, payload.count, payload.withUnsafeBytes { CRC32C.checksum($0) })
                    fake.send([BulkHeaderCodec.encode(header), payload], on: bulk)
                }
            }
            let (stranger, rounds) = (SessionID(high: 1, low: 2), drill.integer(2...4))
            for _ in 0..<rounds {
                replay(stranger)
                fake.say(.ready)
            }
            try coordinator.waitToSay("dropped from \(fake.session.description.prefix(8))")
            fake.say(.leave(reason: "drill over"))
            for _ in 0..<rounds { replay(stranger) }
            try fleet.finish([worker])
            drill.note("\(coordinator.count("dropped from ")) messages reported as dropped")
        }
    }

    static let malformed = FaultRow(
        17, "Malformed messages, flipped bits on the wire", injection: "drawn nonsense from five peers, on both sockets; a proxy flips bits of a worker's bulk data",
        expected: "dropped or the session closed; the process lives"
    ) { drill in
        try drill.run("nonsense") { fleet in
            let coordinator = try fleet.start()
            let worker = try fleet.worker(hasData: true, failpoints: pace)
            let fakes = try (0..<5).map { _ in try FakeWorker(at: fleet.run) }
            let welcomes = try fakes.map { try $0.join() }
            func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(drill.integer(0...255)) } }
            var sent = 0
            for _ in 0..<(drill.form.isShort ? 100 : 1000) {
                for (fake, welcome) in zip(fakes, welcomes) {
                    var header = BulkHeaderCodec.encode(fake.header(welcome, .gradient))
                    header[drill.integer(0...header.count - 1)] ^= 1 << UInt8(drill.integer(0...7))
                    var words = ControlCodec.encode(.blockDone(step: 1, block: SlotBlock(level: 0, index: 0), number: 1, digest: "x", bytes: 4))
                    words[drill.integer(1...words.count - 1)] = UInt8(drill.integer(0...255))
                    guard let bulk = fake.bulk else { continue }
                    switch drill.integer(0...5) {
                    case 0: fake.send([[1] + noise(drill.integer(0...300))], on: fake.control)
                    case 1: fake.send([words], on: fake.control)
                    case 2: fake.send([[], noise(3), []], on: fake.control)
                    case 3: fake.send([header, noise(drill.integer(0...64))], on: bulk)
                    case 4: fake.send([Array(header.prefix(drill.integer(0...127))), []], on: bulk)
                    default: fake.send([noise(128), noise(8), noise(8)], on: bulk)
                    }
                    sent += 1
                }
            }
            try coordinator.waitToSay("dropped from ")
            try fleet.finish([worker])
            drill.note("\(sent) messages of nonsense")
        }
        try drill.run("flipped bits") { fleet in
            let port = try drill.site.freePortPair()
            fleet.listen = "tcp://127.0.0.1:\(port)"
            fleet.arguments = ["--chunk-kib", "64", "--liveness-seconds", "2"]
            var conditions = LinkConditions()
            conditions.corruptedBytes = 600_000
            let proxy = try LinkProxy(number: 9, port: port, seed: drill.seed, conditions: conditions)
            defer { proxy.stop() }
            try fleet.start(minimumWorkers: 2)
            let near = try fleet.worker(hasData: true, failpoints: pace)
            // It may be between two sessions when the run ends, and not hear of it.
            _ = try fleet.worker(address: proxy.address)
            try fleet.finish([near])
            drill.note("\(proxy.counts.flips) bits flipped on the wire")
            try drill.require(proxy.counts.flips > 0, "no bit was flipped")
        }
    }

    static let oversized = FaultRow(
        18, "Oversized frame", injection: "plain TCP: a peer that announces a frame of 1 GiB, on both sockets", expected: "the connection is cut before a byte is stored"
    ) { drill in
        try drill.run("1 GiB announced") { fleet in
            let coordinator = try fleet.start()
            let worker = try fleet.worker(hasData: true, failpoints: pace)
            try fleet.waitForSteps(drill.integer(1...3))
            let scout = try FakeWorker(at: fleet.run)
            let port = try scout.join().bulkPort
            scout.say(.leave(reason: "drill over"))
            let before = coordinator.residentKiB
            for port in [try Endpoint(fleet.run.endpoint ?? "").port ?? 0, port] { try RawPeer.announce(1 << 30, to: port) }
            let growth = coordinator.residentKiB - before
            try drill.require(growth < 8 << 10, "the coordinator has grown by \(growth) KiB")
            try fleet.finish([worker])
        }
    }

    static let foreign = FaultRow(
        19, "Other protocol, configuration or data", injection: "a frame of protocol 9; a worker with another dataset; the same run with another learning rate",
        expected: "refused with 78, both values and the key that differs"
    ) { drill in
        try drill.run("a frame of protocol 9") { fleet in
            try fleet.start()
            let stranger = try FakeWorker(at: fleet.run, hello: false)
            stranger.send([[9] + Array("whatever".utf8)], on: stranger.control)
            let refusal = try stranger.awaitRefusal()
            try drill.require(
                refusal.exitCode == ExitCode.configuration
                    && refusal.text.contains("speaks protocol 9, the coordinator \(ControlMessage.protocolVersion)"), refusal.text)
            try fleet.finish([try fleet.worker(hasData: true)])
        }
        try drill.run("another dataset, another learning rate") { fleet in
            let coordinator = try fleet.start()
            let other = drill.site.path("other-data")
            try FileManager.default.createDirectory(atPath: "\(other)/train", withIntermediateDirectories: true)
            let classes = try FileManager.default.contentsOfDirectory(atPath: "\(drill.site.data)/train").sorted()
            // Of the same images, half.
            try FileManager.default.copyItem(atPath: "\(drill.site.data)/train/\(classes[0])", toPath: "\(other)/train/\(classes[0])")
            defer { try? FileManager.default.removeItem(atPath: other) }
            let foreign = try fleet.worker(data: other)
            try foreign.expectExit(ExitCode.configuration)
            try drill.require(foreign.says("has fingerprint", "the run's"), foreign.tail)
            let worker = try fleet.worker(hasData: true)
            try fleet.waitForSteps(drill.integer(1...8))
            coordinator.kill()
            worker.kill()
            let changed = try fleet.launch(more: ["--set", "optimizer.learning_rate=0.5"])
            try changed.expectExit(ExitCode.configuration)
            try drill.require(changed.says("was started with optimizer.learning_rate", "not 0.5"), changed.tail)
            try fleet.start()
            try fleet.finish([try fleet.worker(hasData: true)])
        }
    }
}
