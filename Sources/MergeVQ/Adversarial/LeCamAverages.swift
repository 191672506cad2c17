import TensorCore

/// Running averages of the discriminator's logits for real images and for reconstructions, plain numbers without gradient (LeCam, spec 5).
public struct LeCamAverages: Sendable, Equatable {
    public let real: Float
    public let fake: Float

    static let decay = 0.999

    public init(real: Float = 0, fake: Float = 0) {
        self.real = real
        self.fake = fake
    }

    /// e ← 0.999 e + 0.001 · (mean logit of a batch)
    public func moved(real: Double, fake: Double) -> LeCamAverages {
        LeCamAverages(
            real: Float(LeCamAverages.decay * Double(self.real) + (1 - LeCamAverages.decay) * real),
            fake: Float(LeCamAverages.decay * Double(self.fake) + (1 - LeCamAverages.decay) * fake))
    }
}

/// The mean of all logits of a batch.
func meanLogit(_ logits: Tensor) -> Double { logits.elements.reduce(0.0) { $0 + Double($1) } / Double(logits.count) }
