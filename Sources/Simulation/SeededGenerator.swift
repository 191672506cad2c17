import Fleet

/// The random numbers of a simulation. All draws are defined here and not by the standard library, so that a seed means the same for ever.
struct SeededGenerator: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = mix(seed ^ 0x51b0_1a70) }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix(state)
    }

    /// Uniform in [0, 1).
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
    mutating func chance(_ probability: Double) -> Bool { fraction() < probability }
    mutating func seconds(_ range: ClosedRange<Double>) -> Duration { .seconds(number(range)) }
    mutating func number(_ range: ClosedRange<Double>) -> Double { range.lowerBound + fraction() * (range.upperBound - range.lowerBound) }

    mutating func integer(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next().multipliedFullWidth(by: UInt64(range.count)).high)
    }

    /// One of the elements, nil of none.
    mutating func pick<Elements: RandomAccessCollection>(_ elements: Elements) -> Elements.Element? where Elements.Index == Int {
        elements.isEmpty ? nil : elements[elements.startIndex + integer(0...elements.count - 1)]
    }
}
