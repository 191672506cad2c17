import Fleet
import TensorCore

/// Work of a fleet that makes something piece by piece instead of training: the weights stay as they are, and no step depends on another.
///
/// Every slot yields a vector in which only its own places are not zero. The tree's sum then puts the parts of a step together, exactly.
/// Everything is called by one thread but `sample`.
protocol MapJob: AnyObject, Sendable {
    /// What workers derive their part from, kept in the run's folder.
    var configuration: RunConfiguration { get }
    var datasetFingerprint: String { get }
    /// Samples that workers may ask for: ids `0..<sampleCount`.
    var sampleCount: Int { get }
    /// What workers are given, `[weightsCount]`.
    var weights: Tensor { get }
    /// The digest of the weights, for the journal.
    var weightsDigest: String { get }
    /// Floats in a slot's result.
    var resultCount: Int { get }
    /// Slots of a step, a power of two.
    var slots: Int { get }
    var steps: Int { get }
    /// Whether what is to be made is there already.
    var isFinished: Bool { get }

    /// What a step does, as workers derive it too.
    func stepPlan(_ step: Int) -> StepPlan
    /// The samples of a block, for complaints.
    func samples(step: Int, block: SlotBlock) -> [Int]
    /// A sample's bytes; called by another thread.
    func sample(_ id: Int) throws -> [UInt8]
    /// Where a sample lies, for complaints.
    func path(of sample: Int) -> String
    /// Images done by so many steps, for the rate that is shown.
    func images(after steps: Int) -> Int

    /// Takes up what an earlier process kept, at most so many steps.
    /// - Returns: the steps that need not be done again.
    func open(keeping steps: Int) throws -> Int
    /// Keeps the result of the next step, durably.
    func keep(_ sum: Tensor, step: Int) throws
    /// All steps are kept: makes what they were for.
    /// - Returns: what that is, for people.
    func finish() throws -> String
}
