import Fleet

/// What can go wrong with sockets; the description is one line: what, where, the mend.
public enum TransportError: ExitCoded, Equatable, CustomStringConvertible {
    /// Another process listens there.
    case addressInUse(String)
    /// The address names nothing that can be listened on or connected to.
    case badAddress(String, reason: String)
    /// A call of the messaging library failed.
    case failed(call: String, address: String, reason: String)

    public var exitCode: Int32 {
        switch self {
        case .addressInUse, .failed: ExitCode.unavailable
        case .badAddress: ExitCode.usage
        }
    }

    public var description: String {
        switch self {
        case .addressInUse(let address):
            "\(address) is in use; stop the process that listens there, or choose another port with --listen"
        case .badAddress(let address, let reason):
            "\(address) is no address to use (\(reason)); write tcp://host:port, e.g. tcp://127.0.0.1:7700"
        case .failed(let call, let address, let reason):
            "\(call) failed for \(address): \(reason); check the limits of open files and memory"
        }
    }
}
