import NeuralNet
import TensorCore

/// What the discriminator remembers besides its weights: running means and variances of its batch norms, and LeCam's averages of the logits
/// (spec 5). One flat vector; every step makes a new one from the old and from sums over the step's images.
///
/// A step sees three passes in training: D(x̂) for the generator, then D(x) and D(x̂) for the discriminator. All three have the same weights and
/// both x̂ are the same images, so the first and the third pass have the same statistics, bit by bit, and one copy of them is enough.
public struct DiscriminatorStatistics: Sendable, Equatable {
    /// A named part of the vector.
    public struct Buffer: Sendable, Equatable {
        /// E.g. `disc.main.3.running_var`; LeCam's are called as in the official code, `lecam_ema.logits_real_ema`.
        public let name: String
        public let range: Range<Int>
    }

    /// In the order of the vector, without gaps.
    public let buffers: [Buffer]
    /// The vector.
    public let values: [Float]

    /// Running averages move by this share towards a batch.
    static let momentum = 0.1

    /// Before the first step: means 0, variances 1, LeCam's averages 0.
    public init(startOf discriminator: PatchDiscriminator) {
        var buffers: [Buffer] = []
        var values: [Float] = []
        func add(_ name: String, _ value: Float, count: Int) {
            buffers.append(Buffer(name: name, range: values.count..<(values.count + count)))
            values += [Float](repeating: value, count: count)
        }
        for norm in discriminator.norms {
            add(norm.name + ".running_mean", 0, count: norm.channels)
            add(norm.name + ".running_var", 1, count: norm.channels)
        }
        add("lecam_ema.logits_real_ema", 0, count: 1)
        add("lecam_ema.logits_fake_ema", 0, count: 1)
        self.init(buffers: buffers, values: values)
    }

    private init(buffers: [Buffer], values: [Float]) {
        self.buffers = buffers
        self.values = values
    }

    /// The same buffers with values from a checkpoint.
    public func with(values: [Float]) -> DiscriminatorStatistics {
        precondition(values.count == self.values.count, "\(values.count) values for \(self.values.count) discriminator statistics")
        return DiscriminatorStatistics(buffers: buffers, values: values)
    }

    /// The values of a buffer.
    public subscript(name: String) -> [Float]? {
        buffers.first { $0.name == name }.map { Array(values[$0.range]) }
    }

    /// LeCam's averages.
    public var lecam: LeCamAverages { LeCamAverages(real: values[normCount], fake: values[normCount + 1]) }

    func means(of norm: BatchNorm2D) -> [Float] { buffer(norm.name + ".running_mean") }
    func variances(of norm: BatchNorm2D) -> [Float] { buffer(norm.name + ".running_var") }

    private func buffer(_ name: String) -> [Float] {
        guard let values = self[name] else { preconditionFailure("no discriminator statistics are called \(name)") }
        return values
    }

    /// Floats of the batch norms, before LeCam's.
    private var normCount: Int { values.count - 2 }

    // MARK: - A step

    /// Floats in a slot's `sums`: the batch norms' of x̂, those of x, and the mean logits of x and x̂.
    public var sumCount: Int { 2 * normCount + 2 }

    /// What a slot adds to a step: batch means, unbiased batch variances and mean logits, each times the slot's number of images. Slots are added
    /// element by element; a slot without images adds zeros. A batch is a slot, as it is a rank in the official code: means of different slots do not
    /// widen the variance.
    ///
    /// - Parameters:
    ///   - real: D(x) in training.
    ///   - fake: D(x̂) in training, either pass.
    public func sums(real: PatchDiscriminator.Pass, fake: PatchDiscriminator.Pass, images: Int) -> [Float] {
        let batches = [fake, real].map { pass in pass.statistics.flatMap { $0.means + $0.unbiasedVariances } }
        precondition(batches.allSatisfy { $0.count == normCount }, "statistics of another discriminator: \(batches.map(\.count)) for \(normCount)")
        let logits = [real, fake].map { meanLogit($0.logits.value) }
        return (batches.flatMap { $0 } + logits).map { Float($0 * Double(images)) }
    }

    /// The statistics after a step with the given sums over all its images. Running averages move three times, towards x̂, x and x̂; LeCam's once.
    public func updated(sums: [Float], images: Int) -> DiscriminatorStatistics {
        precondition(sums.count == sumCount, "\(sums.count) sums of discriminator statistics where there should be \(sumCount)")
        guard images > 0 else { return self }
        let means = sums.map { Double($0) / Double(images) }
        let running = (0..<normCount).map { i in
            let (fake, real) = (means[i], means[normCount + i])
            return Float(
                [fake, real, fake].reduce(Double(values[i])) {
                    (1 - DiscriminatorStatistics.momentum) * $0 + DiscriminatorStatistics.momentum * $1
                })
        }
        let averages = lecam.moved(real: means[2 * normCount], fake: means[2 * normCount + 1])
        return with(values: running + [averages.real, averages.fake])
    }
}
