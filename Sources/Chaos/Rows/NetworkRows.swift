import Fleet
import Foundation

/// Links that break, fall silent, or are bad.
enum NetworkRows {
    static let partition = FaultRow(
        8, "Partition between a worker and its coordinator", injection: "the link lets nothing through, both sides live, then it heals; a proxy, and a veth down between network namespaces",
        expected: "the worker's block goes to another; when the link heals it joins in a new session"
    ) { drill in
        try drill.run("proxy") { fleet in
            let port = try drill.site.freePortPair()
            fleet.listen = "tcp://127.0.0.1:\(port)"
            fleet.arguments = ["--liveness-seconds", "2"]
            let proxy = try LinkProxy(number: 2, port: port, seed: drill.seed)
            defer { proxy.stop() }
            try partition(drill, fleet, far: { try fleet.worker(failpoints: DrillFleet.pace, address: proxy.address) }, cut: { proxy.partition($0) })
        }
        if let reason = Machine.cannotMakeNetworks { return drill.omit("network namespaces", because: reason) }
        try drill.run("network namespaces") { fleet in
            let networks = try NetworkPair()
            defer { networks.remove() }
            fleet.listen = "tcp://\(networks.address):7700"
            fleet.arguments = ["--liveness-seconds", "2", "--insecure"]
            fleet.workerArguments = ["--insecure"]
            fleet.wrapper = (networks.command(inHead: true), networks.command(inHead: true))
            try partition(
                drill, fleet,
                far: { try fleet.worker(wrapper: networks.command(inHead: false)) }, cut: { try networks.setLink(up: !$0) })
        }
    }

    private static func partition(_ drill: Drill, _ fleet: DrillFleet, far: () throws -> ChildProcess, cut: (Bool) throws -> Void) throws {
        let coordinator = try fleet.start(minimumWorkers: 2)
        let near = try fleet.worker(hasData: true, failpoints: "worker.compute@1+=slow:0.04")
        let far = try far()
        try fleet.waitForSteps(drill.integer(2...5))
        try cut(true)
        try coordinator.waitToSay(" lost: ")
        try far.waitToSay("no coordinator: ")
        try cut(false)
        try wait(for: "it to join again", orTell: { coordinator.tail + "\n  " + far.tail }) {
            coordinator.count(" joined with ") == 3 || !coordinator.isRunning
        }
        try fleet.finish([near, far])
    }

    static let halfOpen = FaultRow(
        9, "Half-open TCP connections", injection: "a proxy swallows everything on both connections, without an end",
        expected: "found by missing heartbeats; the worker joins in a new session; no file descriptor stays behind"
    ) { drill in
        try drill.run("both connections of a worker") { fleet in
            let port = try drill.site.freePortPair()
            fleet.listen = "tcp://127.0.0.1:\(port)"
            fleet.arguments = ["--liveness-seconds", "2"]
            let proxy = try LinkProxy(number: 3, port: port, seed: drill.seed)
            defer { proxy.stop() }
            let coordinator = try fleet.start(minimumWorkers: 2)
            let near = try fleet.worker(hasData: true, failpoints: "worker.compute@1+=slow:0.04")
            let far = try fleet.worker(address: proxy.address)
            try fleet.waitForSteps(drill.integer(2...5))
            let before = coordinator.descriptorCount
            proxy.swallow()
            try coordinator.waitToSay(" lost: ")
            try wait(for: "it to join again", orTell: { coordinator.tail }) { coordinator.count(" joined with ") == 3 || !coordinator.isRunning }
            proxy.release()
            // Connections of the last session that are gone, and none more than before.
            try wait(for: "\(before) file descriptors, not \(coordinator.descriptorCount)") { coordinator.descriptorCount <= before || !coordinator.isRunning }
            try drill.require(coordinator.isRunning, "the run was over before its file descriptors could be counted")
            try fleet.finish([near, far])
        }
    }

    static let badLink = FaultRow(
        10, "Delay, throttle, stalls", injection: "proxies: 200 ± 100 ms each way; 10 Mbit/s; 1 s stalls of 1 % of the pieces",
        expected: "slower, and nobody is given up"
    ) { drill in
        try drill.run("a worker behind each", steps: drill.form.isShort ? 4 : nil) { fleet in
            let port = try drill.site.freePortPair()
            fleet.listen = "tcp://127.0.0.1:\(port)"
            var (late, narrow, stalling) = (LinkConditions(), LinkConditions(), LinkConditions())
            late.delay = 0.1...0.3
            narrow.bytesPerSecond = 10e6 / 8
            stalling.stallShare = 0.01
            let proxies = try [late, narrow, stalling].enumerated().map {
                try LinkProxy(number: UInt8(4 + $0), port: port, seed: drill.seed, conditions: $1)
            }
            defer { for proxy in proxies { proxy.stop() } }
            let coordinator = try fleet.start(minimumWorkers: 3)
            let workers = try proxies.map { try fleet.worker(address: $0.address) }
            try fleet.finish(workers)
            try drill.require(coordinator.count(" lost: ") == 0, "a worker was given up\n  \(coordinator.tail)")
            let sessions = try fleet.run.sessions().count
            try drill.require(sessions >= 2, "\(sessions) of 3 workers took part")
        }
    }
}

/// Two network namespaces with a cable between them, and with nothing else.
struct NetworkPair {
    /// The head's address.
    let address: String
    private let head: String
    private let far: String

    init() throws {
        let number = getpid()
        (head, far) = ("mvq-head-\(number)", "mvq-far-\(number)")
        address = "10.231.7.1"
        for arguments in [
            ["netns", "add", head], ["netns", "add", far], ["-n", head, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", far],
            ["-n", head, "addr", "add", "\(address)/24", "dev", "cable"], ["-n", far, "addr", "add", "10.231.7.2/24", "dev", "cable"],
            ["-n", head, "link", "set", "lo", "up"], ["-n", far, "link", "set", "lo", "up"], ["-n", head, "link", "set", "cable", "up"],
            ["-n", far, "link", "set", "cable", "up"],
        ] {
            if let reason = NetworkPair.ip(arguments) {
                remove()
                throw ChaosFailure("ip \(arguments.joined(separator: " ")): \(reason)")
            }
        }
    }

    private static func ip(_ arguments: [String]) -> String? {
        Machine.run("ip", arguments)
    }

    /// What starts a command there.
    func command(inHead: Bool) -> [String] { [Machine.path(of: "ip") ?? "ip", "netns", "exec", inHead ? head : far] }

    func setLink(up: Bool) throws {
        if let reason = NetworkPair.ip(["-n", far, "link", "set", "cable", up ? "up" : "down"]) { throw ChaosFailure(reason) }
    }

    func remove() {
        for name in [head, far] { _ = NetworkPair.ip(["netns", "del", name]) }
    }
}
