import Glibc

/// The folders of `mvq keygen`: one for the coordinator, one for every worker, each all that its machine needs.
///
/// ```
/// keys/coordinator/coordinator.secret   0600   the coordinator's secret key
/// keys/coordinator/coordinator.public   0644   the key that workers check it by
/// keys/coordinator/authorized_keys      0644   the workers' keys, a line each: KEY NAME
/// keys/NAME/worker.secret               0600   a worker's secret key
/// keys/NAME/worker.public               0644   its line of authorized_keys
/// keys/NAME/coordinator.public          0644   a copy
/// ```
public struct KeyFolder: Sendable {
    /// The folder of all folders.
    public let path: String

    public init(_ path: String) { self.path = path }

    /// The folder that goes to the head node.
    public var coordinator: String { path + "/coordinator" }
    /// The folder that goes to a worker's machine.
    public func worker(_ name: String) -> String { path + "/" + name }

    /// Makes the coordinator's keys.
    ///
    /// - Returns: the public key.
    /// - Throws: `KeyError`, `TransportError`; nothing is ever overwritten.
    public func makeCoordinator() throws -> CurveKey {
        let pair = try KeyPair.random()
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw KeyError.failed(operation: "create", path: path, code: errno) }
        try KeyFile.createFolder(coordinator)
        try KeyFile.create(coordinator + "/coordinator.secret", pair.secret + "\n", mode: 0o600)
        try KeyFile.create(coordinator + "/coordinator.public", pair.publicKey.text + "\n", mode: 0o644)
        try KeyFile.create(coordinator + "/authorized_keys", AuthorizedKeys.heading, mode: 0o644)
        return pair.publicKey
    }

    /// Makes a worker's keys and adds it to the coordinator's `authorized_keys`, which a running coordinator notices.
    ///
    /// - Returns: the worker's public key.
    /// - Throws: `KeyError`, `TransportError`; nothing is ever overwritten.
    public func makeWorker(named name: String) throws -> CurveKey {
        guard KeyFolder.isName(name) else { throw KeyError.badName(name) }
        let mend = "make the coordinator's keys first: 'mvq keygen --out \(path)'"
        let (server, _) = try KeyFile.read(coordinator + "/coordinator.public", as: .trusted, ifMissing: mend)
        let list = coordinator + "/authorized_keys"
        var (text, _) = try KeyFile.read(list, as: .trusted, ifMissing: mend)
        _ = try AuthorizedKeys(text, file: list)
        let pair = try KeyPair.random()
        let line = "\(pair.publicKey) \(name)\n"
        try KeyFile.createFolder(worker(name))
        try KeyFile.create(worker(name) + "/worker.secret", pair.secret + "\n", mode: 0o600)
        try KeyFile.create(worker(name) + "/worker.public", line, mode: 0o644)
        try KeyFile.create(worker(name) + "/coordinator.public", server, mode: 0o644)
        // Last: whoever is on the list has its keys.
        if !text.isEmpty, !text.hasSuffix("\n") { text += "\n" }
        try KeyFile.replace(list, text + line, mode: 0o644)
        return pair.publicKey
    }

    private static func isName(_ name: String) -> Bool {
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return allowed && (1...64).contains(name.utf8.count) && !name.hasPrefix(".") && !name.hasPrefix("-") && name != "coordinator"
    }
}

extension AuthorizedKeys {
    /// What a new file says.
    static let heading = """
        # Workers that this coordinator admits, a line each: KEY NAME. Remove a line to shut a worker out, while training too.
        # 'mvq keygen --out DIR --worker NAME' adds one.

        """
}
