import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// How a parameter starts (spec 7, "Initialisation").
public enum Initialiser: Sendable, Equatable {
    case constant(Float)
    /// N(mean, deviation²)
    case normal(mean: Float = 0, deviation: Float)
    /// U(−bound, bound); PyTorch's default for convolutions and linear layers has bound 1/√fan_in.
    case uniform(bound: Float)

    public static let zeros = Initialiser.constant(0)
    public static let ones = Initialiser.constant(1)

    /// PyTorch's default for a layer with the given number of inputs to each output.
    public static func fanIn(_ inputs: Int) -> Initialiser { .uniform(bound: 1 / Float(inputs).squareRoot()) }

    /// The initial elements of a parameter: functions of the seed, its name and the element's official position, so that they depend on
    /// no other parameter.
    func values(count: Int, name: String, seed: UInt64) -> [Float] {
        switch self {
        case .constant(let value):
            return [Float](repeating: value, count: count)
        case .uniform(let bound):
            let random = Philox(seed: seed, domain: "initialise/" + name)
            return (0..<count).map { Float((random.uniform(draw: $0) * 2 - 1)) * bound }
        case .normal(let mean, let deviation):
            // Box–Muller, one pair of uniforms an element.
            let random = Philox(seed: seed, domain: "initialise/" + name)
            return (0..<count).map { i in
                let radius = (-2 * log(1 - random.uniform(sample: 0, draw: i))).squareRoot()
                return Float(radius * cos(2 * .pi * random.uniform(sample: 1, draw: i))) * deviation + mean
            }
        }
    }
}
