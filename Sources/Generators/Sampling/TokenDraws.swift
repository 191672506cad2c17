import TensorCore

/// The uniform numbers that an image's tokens are drawn with: functions of (seed, image, token, sub-token) alone, so that an image does not depend
/// on the batch it is made in, on threads or on the number of workers.
public struct TokenDraws: Sendable {
    private let random: Philox

    public init(seed: UInt64) {
        random = Philox(seed: seed, domain: "token draws")
    }

    /// A number in [0, 1).
    /// - Parameters:
    ///   - image: the image's number in the whole run, below 2^48.
    ///   - token: the token's place in the image, its raster cell or its slot, below 2^48: not the step that makes it, which depends on the
    ///     decoding schedule.
    ///   - subToken: 0 for the first sub-token, 1 for the second.
    public func uniform(image: Int, token: Int, subToken: Int) -> Double {
        precondition(image >= 0 && token >= 0 && subToken >= 0, "no draw (\(image), \(token), \(subToken))")
        return random.uniform(step: token, sample: image, draw: subToken)
    }
}
