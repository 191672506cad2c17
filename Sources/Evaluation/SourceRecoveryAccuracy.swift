/// How often source recovery finds the token that a position came from, over any number of images (spec 4.4).
public struct SourceRecoveryAccuracy: Sendable {
    /// Positions looked at.
    public private(set) var positions = 0
    private var rightOwners = 0
    private var rightCodes = 0

    public init() {}

    /// Counts the positions of a batch.
    ///
    /// - Parameters:
    ///   - predicted: the predicted token of every position, `[B · L]`.
    ///   - owners: the true ones, `[B · L]`.
    ///   - codes: the tokens' codes, `[B · K]`.
    ///   - kept: tokens of an image, K.
    public mutating func add(predicted: [Int32], owners: [Int32], codes: [Int32], kept: Int) {
        precondition(
            predicted.count == owners.count && codes.count % kept == 0 && owners.count % (codes.count / kept) == 0,
            "\(predicted.count) predicted and \(owners.count) true owners for \(codes.count) codes, \(kept) an image")
        let length = owners.count / (codes.count / kept)
        for (position, (guess, truth)) in zip(predicted, owners).enumerated() {
            let first = position / length * kept
            rightOwners += guess == truth ? 1 : 0
            rightCodes += codes[first + Int(guess)] == codes[first + Int(truth)] ? 1 : 0
        }
        positions += owners.count
    }

    /// The share of positions whose token is predicted; nil without positions.
    public var ownerAccuracy: Double? { positions == 0 ? nil : Double(rightOwners) / Double(positions) }
    /// The share of positions whose predicted token has the right code, which is all that reconstruction needs; at least `ownerAccuracy`. Nil
    /// without positions.
    public var codeAccuracy: Double? { positions == 0 ? nil : Double(rightCodes) / Double(positions) }
}
