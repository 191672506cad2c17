/// What the progress line shows; nil parts are left out.
public struct ProgressState: Equatable, Sendable {
    /// One named part of the loss.
    public struct Term: Equatable, Sendable {
        public let name: String
        public let value: Double

        public init(_ name: String, _ value: Double) {
            self.name = name
            self.value = value
        }
    }

    /// Finished steps.
    public var step: Int
    /// Steps of the whole run.
    public var totalSteps: Int?
    /// Passes over the data, fractional.
    public var epoch: Double?
    public var loss: Double?
    /// Parts of the loss in the order to show them.
    public var terms: [Term]
    /// Number of tokens that merging kept in this step.
    public var keptTokens: Int?
    public var imagesPerSecond: Double?
    public var workers: Int?
    /// Seconds until the end of the run.
    public var remainingSeconds: Double?

    public init(
        step: Int, totalSteps: Int? = nil, epoch: Double? = nil, loss: Double? = nil, terms: [Term] = [],
        keptTokens: Int? = nil, imagesPerSecond: Double? = nil, workers: Int? = nil, remainingSeconds: Double? = nil
    ) {
        self.step = step
        self.totalSteps = totalSteps
        self.epoch = epoch
        self.loss = loss
        self.terms = terms
        self.keptTokens = keptTokens
        self.imagesPerSecond = imagesPerSecond
        self.workers = workers
        self.remainingSeconds = remainingSeconds
    }

    /// Parts of the line; in a narrow terminal the ones with the highest value go first.
    private enum Part: Int, CaseIterable {
        case step, loss, eta, rate, workers, epoch, keptTokens, terms
    }

    /// One line of at most `width` characters (nil: as long as it gets), e.g.
    /// `step 120/300  epoch 0.9  loss 0.412 (l1 0.31 entropy −2.1)  K 36  31.2 images/s  2 workers  eta 5 m 12 s`.
    /// What does not fit is left out part by part, the least important first; only the last part is ever cut.
    public func render(width: Int? = nil) -> String {
        var shown = Part.allCases
        var line = text(of: shown)
        guard let width else { return line }
        while line.count > width, shown.count > 1 {
            shown.removeLast()
            line = text(of: shown)
        }
        guard line.count > width else { return line }
        return width <= 0 ? "" : String(line.prefix(width - 1)) + "…"
    }

    private func text(of shown: [Part]) -> String {
        var parts = ["step \(step)" + (totalSteps.map { "/\($0)" } ?? "")]
        if shown.contains(.epoch), let epoch { parts.append("epoch " + Formatting.number(epoch, digits: epoch < 10 ? 2 : 3)) }
        if shown.contains(.loss), let loss {
            let details = terms.map { "\($0.name) \(Formatting.number($0.value, digits: 2))" }.joined(separator: " ")
            let isDetailed = shown.contains(.terms) && !terms.isEmpty
            parts.append("loss " + Formatting.number(loss) + (isDetailed ? " (\(details))" : ""))
        }
        if shown.contains(.keptTokens), let keptTokens { parts.append("K \(keptTokens)") }
        if shown.contains(.rate), let imagesPerSecond { parts.append(Formatting.number(imagesPerSecond) + " images/s") }
        if shown.contains(.workers), let workers { parts.append("\(workers) worker" + (workers == 1 ? "" : "s")) }
        if shown.contains(.eta), let remainingSeconds { parts.append("eta " + Formatting.duration(seconds: remainingSeconds)) }
        return Formatting.printable(parts.joined(separator: "  "))
    }
}
