import Fleet

/// Random numbers for simulated faults, keyed by a seed that failing tests print.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = mix(seed ^ 0x51b0_1a70) }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix(state)
    }

    mutating func seconds(_ range: ClosedRange<Double>) -> Duration { .seconds(Double.random(in: range, using: &self)) }
    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

/// A model of four numbers. Its gradient depends on the weights, the step, the slot and the bytes of the slot's samples, and is
/// awkward to add: another order of additions gives other bits.
enum Toy {
    static let width = 4
    static let bytes = 16
    static let samples = 64

    static func sample(_ id: Int) -> [UInt8] { (0..<12).map { UInt8(truncatingIfNeeded: mix(UInt64(id * 31 + $0))) } }
    static func sampleIDs(step: Int, slot: Int) -> [Int] { [(step * 5 + slot * 2) % samples, (step * 5 + slot * 2 + 1) % samples] }

    static func slotGradient(weights: [Float], step: Int, slot: Int, samples: [[UInt8]]) -> [Float] {
        var hash = mix(UInt64(step) << 32 | UInt64(slot))
        for byte in samples.joined() { hash = mix(hash ^ UInt64(byte)) }
        return (0..<width).map { lane in
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

    static func update(_ weights: [Float], with gradient: [Float]) -> [Float] { zip(weights, gradient).map { $0 - 0.001 * $1 } }

    static let firstWeights: [Float] = [0.5, -1.25, 3, 0.1]

    /// The roots of all steps, and the last weights, of a run that nothing disturbs.
    static func undisturbed(steps: Int, slots: Int) -> (roots: [[Float]], weights: [Float]) {
        var weights = firstWeights
        var roots: [[Float]] = []
        for step in 0..<steps {
            let root = gradient(of: .all(slots: slots)) { slot in
                slotGradient(weights: weights, step: step, slot: slot, samples: sampleIDs(step: step, slot: slot).map(sample))
            }
            roots.append(root)
            weights = update(weights, with: root)
        }
        return (roots, weights)
    }

    static func plan(step: Int, slots: Int) -> StepPlan {
        StepPlan(step: step, epoch: 0, slots: slots, values: ["relativeCost": step % 2 == 0 ? 1 : 2], samplesDigest: "toy\(step)")
    }

    /// Little-endian bytes of the numbers.
    static func pack(_ values: [Float]) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in values {
            for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * shift))) }
        }
        return bytes
    }

    static func unpack(_ bytes: [UInt8]) -> [Float] {
        var values: [Float] = []
        for start in stride(from: 0, to: bytes.count, by: 4) {
            var bits: UInt32 = 0
            for place in 0..<4 { bits |= UInt32(bytes[start + place]) << UInt32(8 * place) }
            values.append(Float(bitPattern: bits))
        }
        return values
    }
}
