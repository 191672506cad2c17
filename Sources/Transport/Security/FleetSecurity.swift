import Fleet

/// A coordinator's secret key, and the file of the workers that it admits.
public struct CoordinatorKeys: Sendable {
    let pair: KeyPair
    /// The file `authorized_keys`, which is read again when it changes.
    let listFile: String
    let list: AuthorizedKeys
    let listStamp: KeyFile.Stamp

    /// The key that workers have to know.
    public var publicKey: CurveKey { pair.publicKey }

    /// Reads `coordinator.secret` and `authorized_keys` of a folder that `mvq keygen` made.
    ///
    /// - Throws: `KeyError` (exit code 77); `TransportError` if the messaging library cannot encrypt.
    public init(folder: String) throws {
        try requireEncryption()
        let file = folder + "/coordinator.secret"
        pair = try KeyFile.pair(
            in: file, ifMissing: "give the coordinator's folder, e.g. --keys keys/coordinator after 'mvq keygen --out keys'")
        listFile = folder + "/authorized_keys"
        let (text, stamp) = try KeyFile.read(
            listFile, as: .trusted, ifMissing: "it lists the workers to admit: 'mvq keygen --out DIR --worker NAME' writes it")
        list = try AuthorizedKeys(text, file: listFile)
        listStamp = stamp
    }
}

/// A worker's keys, and the only coordinator that it talks to.
public struct WorkerKeys: Sendable {
    let pair: KeyPair
    let coordinator: CurveKey
    let folder: String

    /// The key that has to be in the coordinator's `authorized_keys`.
    public var publicKey: CurveKey { pair.publicKey }

    /// Reads `worker.secret` and `coordinator.public` of a folder that `mvq keygen --worker` made.
    ///
    /// - Throws: `KeyError` (exit code 77); `TransportError` if the messaging library cannot encrypt.
    public init(folder: String) throws {
        try requireEncryption()
        self.folder = folder
        let mend = "give a worker's folder, which 'mvq keygen --out keys --worker NAME' makes as keys/NAME on the head node"
        pair = try KeyFile.pair(in: folder + "/worker.secret", ifMissing: mend)
        let file = folder + "/coordinator.public"
        let (text, _) = try KeyFile.read(file, as: .trusted, ifMissing: mend)
        coordinator = try KeyFile.key(in: text, file: file) { CurveKey($0) }
    }
}

/// How a coordinator knows its workers, and how what they say to each other is protected.
public enum CoordinatorSecurity: Sendable {
    /// CURVE: encrypted, and only workers of the list.
    case keys(CoordinatorKeys)
    /// Neither, and so only on this machine's loopback addresses.
    case loopbackOnly
    /// Neither, on any address, because somebody said so.
    case insecure

    /// Checks that an address may be listened on.
    ///
    /// - Throws: `TransportError.unprotected`, `.badAddress`.
    public func check(listen address: String) throws(TransportError) {
        let isLoopback = try Endpoint(address).isLoopback
        if case .loopbackOnly = self, !isLoopback { throw .unprotected(address, isCoordinator: true) }
    }
}

/// How a worker knows its coordinator, and how what they say to each other is protected.
public enum WorkerSecurity: Sendable {
    /// CURVE: encrypted, and only with the coordinator of the key.
    case keys(WorkerKeys)
    /// Neither, and so only with a coordinator on this machine.
    case loopbackOnly
    /// Neither, with any coordinator, because somebody said so.
    case insecure

    /// Checks that an address may be connected to.
    ///
    /// - Throws: `TransportError.unprotected`, `.badAddress`.
    public func check(connect address: String) throws(TransportError) {
        let isLoopback = try Endpoint(address).isLoopback
        if case .loopbackOnly = self, !isLoopback { throw .unprotected(address, isCoordinator: false) }
    }
}

extension KeyFile {
    /// The key in the first line that says something.
    static func key<Key>(in text: String, file: String, _ read: (String) -> Key?) throws(KeyError) -> Key {
        let first = lines(of: text).first
        let word = first?.line.split { $0 == " " || $0 == "\t" }.first.map(String.init)
        guard let word, let key = read(word) else {
            throw .malformed(file: file, line: first?.number ?? 1, reason: "is no key of 40 characters; copy the file again")
        }
        return key
    }

    /// The pair of a file that holds a secret key.
    static func pair(in file: String, ifMissing mend: String) throws(KeyError) -> KeyPair {
        try key(in: read(file, as: .secret, ifMissing: mend).text, file: file) { KeyPair(secret: $0) }
    }
}
