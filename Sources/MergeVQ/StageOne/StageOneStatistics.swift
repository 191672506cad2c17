import TensorCore

/// What stage 1 remembers from step to step besides weights: the discriminator's running statistics and, for DINO's form of the alignment, the
/// centre of the teacher's features. One flat vector that goes to the workers behind the weights; every step makes a new one from the old and
/// from sums over the step's images.
public struct StageOneStatistics: Sendable {
    public let discriminator: DiscriminatorStatistics?
    public let centre: AlignmentCentre?

    init(startOf model: StageOneModel) {
        discriminator = model.discriminator.map(DiscriminatorStatistics.init(startOf:))
        if case .distillation = model.configuration.losses.alignmentForm, model.teacher != nil {
            centre = AlignmentCentre(width: model.configuration.teacher.width)
        } else {
            centre = nil
        }
    }

    /// Of a model that remembers nothing.
    public static let none = StageOneStatistics(discriminator: nil, centre: nil)

    private init(discriminator: DiscriminatorStatistics?, centre: AlignmentCentre?) {
        self.discriminator = discriminator
        self.centre = centre
    }

    /// The vector.
    public var values: [Float] { (discriminator?.values ?? []) + (centre?.values.elements ?? []) }

    /// Floats in the vector.
    public var count: Int { discriminatorCount + (centre?.values.count ?? 0) }

    private var discriminatorCount: Int { discriminator?.values.count ?? 0 }

    /// The same statistics with the values of a vector.
    public func with(values: [Float]) -> StageOneStatistics {
        precondition(values.count == count, "\(values.count) values for \(count) statistics")
        return StageOneStatistics(
            discriminator: discriminator?.with(values: Array(values[..<discriminatorCount])),
            centre: centre.map { AlignmentCentre(Tensor(Array(values[discriminatorCount...]), $0.values.shape)) })
    }

    /// Names and ranges of the vector's parts, e.g. `disc.main.3.running_var`.
    public var buffers: [(name: String, range: Range<Int>)] {
        (discriminator?.buffers.map { ($0.name, $0.range) } ?? [])
            + (centre.map { [("alignment.centre", discriminatorCount..<(discriminatorCount + $0.values.count))] } ?? [])
    }

    /// Floats in a slot's sums.
    public var sumCount: Int { (discriminator?.sumCount ?? 0) + (centre?.values.count ?? 0) }

    /// The statistics after a step with the given sums over all its images.
    public func updated(sums: [Float], images: Int) -> StageOneStatistics {
        precondition(sums.count == sumCount, "\(sums.count) sums where there should be \(sumCount)")
        guard images > 0 else { return self }
        let cut = discriminator?.sumCount ?? 0
        return StageOneStatistics(
            discriminator: discriminator?.updated(sums: Array(sums[..<cut]), images: images),
            centre: centre.map { $0.updated(by: Tensor(sums[cut...].map { $0 / Float(images) }, $0.values.shape)) })
    }
}
