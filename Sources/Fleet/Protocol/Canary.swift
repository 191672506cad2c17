/// What a process computes of one fixed image with fixed weights, layer by layer: equal canaries are what makes two machines one numeric class.
public struct Canary: Codable, Sendable, Equatable {
    /// `name digest` of every stage in the order of computation: the decoded image, each layer's output, the losses, each weight's gradient.
    public var readings: [String]

    public init(readings: [String] = []) { self.readings = readings }

    /// Adds a stage.
    public mutating func add(_ name: String, digest: String) { readings.append("\(name) \(digest)") }

    /// The first stage in which two canaries differ, with its place: `encoder.down.0.block.0.conv1.weight (stage 4 of 311)`; nil when they are
    /// equal.
    public func firstDifference(from other: Canary) -> String? {
        let count = max(readings.count, other.readings.count)
        guard let place = (0..<count).first(where: { reading($0) != other.reading($0) }) else { return nil }
        let line = reading(place) ?? other.reading(place) ?? ""
        return "\(line.bounded(200).split(separator: " ").first ?? "an unnamed stage") (stage \(place + 1) of \(other.readings.count))"
    }

    private func reading(_ place: Int) -> String? { readings.indices.contains(place) ? readings[place] : nil }
}
