import Fleet

/// Finds out why a worker's connections end before they are ready for use, and whether trying again can help.
///
/// ZeroMQ tells a worker whose key is not on the list so. When the keys themselves do not fit, or one side has none, the coordinator closes the
/// connection without a word; so does one that ends just then, or a proxy in front of one that is not there. Hence a worker gives up only when it
/// happens several times in a row, each time at once, and the greeting of whoever listens there says what does not fit.
struct HandshakeDiagnosis {
    /// Failures in a row before anything is concluded.
    static let enough = 3
    /// The coordinator gives a handshake up that takes 5 s; what ends sooner was ended on purpose.
    private static let atOnce = Duration.seconds(2)

    private let address: String
    private let keys: WorkerKeys?
    private let probe: () -> String?
    private var refusals = 0
    private var failures = 0

    /// - Parameter probe: names the mechanism of whoever listens at the address; nil when nobody answers.
    init(address: String, keys: WorkerKeys?, probe: @escaping () -> String?) {
        self.address = address
        self.keys = keys
        self.probe = probe
    }

    /// The coordinator was heard: everything fits.
    mutating func succeeded() { (refusals, failures) = (0, 0) }

    /// Notes how a connection ended.
    ///
    /// - Parameter duration: since it was opened.
    /// - Returns: the worker's end, when no further attempt can help.
    mutating func note(_ end: ConnectionEnd, after duration: Duration) -> FleetExit? {
        switch end {
        case .keyRefused:
            refusals += 1
            return refusals >= Self.enough ? refusal : nil
        case .handshakeFailed where duration < Self.atOnce:
            failures += 1
            guard failures >= Self.enough else { return nil }
            failures = 0
            return probe().flatMap(misfit)
        case .handshakeFailed, .unreachable, .lost:
            // A connection that was ready and broke, or none at all: that is no matter of keys.
            succeeded()
            return nil
        }
    }

    private var refusal: FleetExit {
        FleetExit(
            exitCode: ExitCode.authentication,
            text: """
                the coordinator at \(address) does not admit this worker's key \(keys?.publicKey.text ?? ""); on the head node, add the line of \
                \(keys?.folder ?? "")/worker.public to the coordinator's authorized_keys
                """)
    }

    private func misfit(with mechanism: String) -> FleetExit? {
        let text: String
        switch (mechanism, keys) {
        case ("CURVE", let keys?):
            text = """
                the coordinator at \(address) does not have the key in \(keys.folder)/coordinator.public; copy the coordinator's \
                coordinator.public there, and check that the address is the right one
                """
        case ("CURVE", nil):
            text = """
                the coordinator at \(address) admits only workers with keys; on the head node run 'mvq keygen --out keys --worker NAME' and give \
                --keys with the folder that it makes
                """
        case ("NULL", _?):
            text = "the coordinator at \(address) was started without --keys, this worker with; start both with keys, or both without"
        default: return nil
        }
        return FleetExit(exitCode: ExitCode.authentication, text: text)
    }
}
