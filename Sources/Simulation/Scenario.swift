/// A fleet to simulate: everything that happens follows from these values.
public struct Scenario: Sendable, Equatable {
    public var seed: UInt64
    /// Workers that start with the coordinator.
    public var workers = 3
    public var steps = 6
    /// Slots of a step, a power of two.
    public var slots = 16
    /// How many faults to inject.
    public var faults = 8
    /// The faults to draw from; `duplicate` is not among them, it has a rate.
    public var kinds = Fault.scheduled
    /// How many of all messages arrive twice.
    public var duplicates = 0.05
    /// `CoordinatorConfiguration.minimumWorkers`.
    public var minimumWorkers = 1
    /// `CoordinatorConfiguration.poisonLosses`. Faults kill so many workers that the real limit would often be met rightly.
    public var poisonLosses = Int.max
    /// Steps between checkpoints.
    public var checkpointSteps = 3
    /// How many of the workers have their own copy of the dataset.
    public var datasetShare = 0.5
    /// Virtual seconds that a slot takes; each worker draws its own.
    public var slotSeconds = 0.05...2.0
    /// Virtual seconds that a message takes; each draws its own, but messages of one connection stay in order.
    public var latency = 0.001...0.2
    /// `CoordinatorConfiguration.auditShare`.
    public var auditShare = 0.0
    /// How many times slower than drawn the n-th worker is.
    public var slowness: [Int: Double] = [:]
    /// The plans say how expensive the slots of their steps are.
    public var tellsCost = true
    /// The first worker's process dies after so many seconds, and a new one starts on its machine, over and over.
    public var flappingSeconds: Double?
    /// A worker dies whenever it computes this slot.
    public var poisonedSlot: Int?
    /// The n-th worker's machine computes wrong gradients, always.
    public var faultyWorker: Int?
    /// The n-th worker has another configuration than the coordinator.
    public var differingWorker: Int?

    public init(seed: UInt64) { self.seed = seed }

    /// A small fleet whose size, pace, network and faults are drawn from the seed. Values that are given are taken as they are; the number of
    /// slots then follows the number of workers.
    public init(drawnFrom seed: UInt64, workers: Int? = nil, steps: Int? = nil, slots: Int? = nil, faults: Int? = nil) {
        self.init(seed: seed)
        var random = SeededGenerator(seed: seed &+ 0x5ce7_a210)
        self.workers = random.integer(1...(random.chance(0.1) ? 24 : 6))
        self.steps = random.integer(3...8)
        self.slots = 1 << random.integer(0...6)
        self.faults = random.integer(0...16)
        minimumWorkers = random.integer(1...2)
        checkpointSteps = random.integer(1...3)
        duplicates = random.pick([0, 0.05, 0.3]) ?? 0
        datasetShare = random.pick([0, 0.5, 1]) ?? 1
        latency = random.pick([0.0001...0.002, 0.001...0.2, 0.01...3]) ?? latency
        slotSeconds = random.pick([0.02...0.1, 0.05...2, 0.5...8]) ?? slotSeconds
        if let workers {
            self.workers = workers
            if workers > 24 {
                // A large fleet: S ≥ 2 W, on a network of one building, one fault a step.
                var wanted = 1
                while wanted < 2 * workers { wanted *= 2 }
                self.slots = wanted
                self.faults = steps ?? self.steps
                latency = 0.0001...0.01
            }
        }
        auditShare = self.workers > 24 ? 0.02 : random.pick([0, 0.2, 1]) ?? 0
        // Wrong gradients are found for sure only where every block is computed twice.
        if auditShare == 1 { kinds.append(.bitFlip) }
        if let steps { self.steps = steps }
        if let slots { self.slots = slots }
        if let faults { self.faults = faults }
        // Without faults nobody else comes.
        minimumWorkers = min(minimumWorkers, self.workers)
    }

    /// How long a slot of a step takes, compared with one of the most expensive step.
    public static func relativeCost(seed: UInt64, step: Int) -> Double { ToyTraining(seed: seed, slots: 1).cost(step) }

    /// The virtual seconds in which faults happen: about as long as the run takes, so that most of it is disturbed.
    var disturbedSeconds: Double {
        let mean = (slotSeconds.lowerBound + slotSeconds.upperBound) / 2
        let slotsEach = Double(max(1, slots / max(1, workers)))
        return min(300, max(10, Double(steps) * (slotsEach * mean * 1.5 + 6 * latency.upperBound)))
    }

    /// The virtual seconds after which a run that has not ended stands still: a single slow worker would have done all of it many times.
    var limitSeconds: Double {
        disturbedSeconds + 3600 + 10 * Double(steps) * (Double(slots) * slotSeconds.upperBound * 2 + 20 + 40 * latency.upperBound)
    }
}
