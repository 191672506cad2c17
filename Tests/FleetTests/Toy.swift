import Fleet

/// Random numbers keyed by a seed that failing tests print.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = mix(seed ^ 0x51b0_1a70) }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix(state)
    }

    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

/// Gradients of four numbers that are awkward to add: another order of additions gives other bits.
enum Toy {
    static let firstWeights: [Float] = [0.5, -1.25, 3, 0.1]

    static func slotGradient(weights: [Float], step: Int, slot: Int) -> [Float] {
        let hash = mix(UInt64(step) << 32 | UInt64(slot))
        return weights.indices.map { lane in
            let noise = Float(Int64(bitPattern: mix(hash &+ UInt64(lane)))) * 0x1p-50
            return noise + weights[lane] * 1.37
        }
    }

    static func add(_ left: [Float], _ right: [Float]) -> [Float] { zip(left, right).map { $0 + $1 } }

    /// The tree sum of a block, by the definition.
    static func gradient(of block: SlotBlock, leaf: (Int) -> [Float]) -> [Float] {
        guard let halves = block.children else { return leaf(block.index) }
        return add(gradient(of: halves.left, leaf: leaf), gradient(of: halves.right, leaf: leaf))
    }

    static func plan(step: Int, slots: Int) -> StepPlan {
        StepPlan(step: step, epoch: 0, slots: slots, values: ["relativeCost": step % 2 == 0 ? 1 : 2], samplesDigest: "toy\(step)")
    }
}
