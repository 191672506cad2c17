import Fleet

/// What can go wrong with sockets; the description is one line: what, where, the mend.
public enum TransportError: ExitCoded, Equatable, CustomStringConvertible {
    /// Another process listens there.
    case addressInUse(String)
    /// The address names nothing that can be listened on or connected to.
    case badAddress(String, reason: String)
    /// The address can be reached from other machines, and there are no keys.
    case unprotected(String, isCoordinator: Bool)
    /// The messaging library is too old, or was built without encryption.
    case noEncryption(library: String)
    /// This process may open too few files and connections.
    case tooFewFiles(limit: Int, needed: Int)
    /// A call of the messaging library failed.
    case failed(call: String, address: String, reason: String)

    public var exitCode: Int32 {
        switch self {
        case .addressInUse, .tooFewFiles, .failed: ExitCode.unavailable
        case .badAddress, .unprotected: ExitCode.usage
        case .noEncryption: ExitCode.configuration
        }
    }

    public var description: String {
        switch self {
        case .addressInUse(let address):
            "\(address) is in use; stop the process that listens there, or choose another port with --listen"
        case .badAddress(let address, let reason):
            "\(address) is no address to use (\(reason)); write tcp://host:port, e.g. tcp://127.0.0.1:7700"
        case .unprotected(let address, let isCoordinator):
            isCoordinator
                ? "--listen \(address): anybody who reaches this address could take part and read everything; make keys with 'mvq keygen --out keys'"
                    + " and give --keys keys/coordinator, or, in a network that you trust, --insecure"
                : "--connect \(address): without keys nothing tells the coordinator from another, and everything is sent in the clear; give --keys with"
                    + " the folder that 'mvq keygen --out keys --worker NAME' makes, or, in a network that you trust, --insecure"
        case .noEncryption(let library):
            "this machine's \(library) cannot be used with --keys; install ZeroMQ 4.3.4 or later, built with libsodium"
        case .tooFewFiles(let limit, let needed):
            "this process may have \(limit) files and connections open, and needs \(needed) besides those that it has; raise the limit of open files"
                + " (ulimit -n)"
        case .failed(let call, let address, let reason):
            "\(call) failed for \(address): \(reason); check the limits of open files and memory"
        }
    }
}
