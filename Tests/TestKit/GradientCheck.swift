import NeuralNet
import TensorCore
import Testing

/// Numbers in (−1, 1) that depend on the key alone.
public func randomTensor(_ shape: Shape, key: String, scale: Float = 1) -> Tensor {
    let random = Philox(seed: 7, domain: key)
    return Tensor((0..<shape.count).map { Float(random.uniform(draw: $0) * 2 - 1) * scale }, shape)
}

/// Compares the gradient of Σ f(inputs) ⊙ cotangent with central differences, for every input that is asked for.
///
/// Differences are taken along random directions, not single elements: one direction tests all elements of an input at once, and three of
/// them leave no room for a wrong element to hide. Single elements are compared too, a few of each input.
public func checkGradient(
    of inputs: [Tensor], named name: String, step: Float = 1e-2, tolerance: Double = 2e-2,
    sourceLocation: SourceLocation = #_sourceLocation, _ function: ([Variable]) -> Variable
) {
    let pool = ThreadPool(threads: 1)
    let empty = Tensor(zeros: [0])
    var cotangent: Tensor?

    func loss(_ values: [Tensor]) -> Double {
        let graph = Graph(weights: empty, pool: pool)
        let output = function(values.map { graph.input($0) }).value
        let weights = cotangent ?? randomTensor(output.shape, key: "\(name)/cotangent")
        cotangent = weights
        return zip(output.elements, weights.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    _ = loss(inputs)
    let graph = Graph(weights: empty, gradients: Tensor(zeros: [0]), pool: pool)
    let variables = inputs.map { graph.input($0) }
    graph.backward(from: function(variables), seed: cotangent)
    for (i, input) in inputs.enumerated() {
        let gradient = (variables[i].gradient ?? Tensor(zeros: input.shape)).elements
        func compare(_ direction: [Float], _ label: String) {
            func moved(_ sign: Float) -> [Tensor] {
                var values = inputs
                values[i] = Tensor(zip(input.elements, direction).map { $0 + sign * step * $1 }, input.shape)
                return values
            }
            let numeric = (loss(moved(1)) - loss(moved(-1))) / (2 * Double(step))
            let analytic = zip(gradient, direction).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let scale = zip(gradient, direction).reduce(0.0) { $0 + abs(Double($1.0) * Double($1.1)) }
            #expect(
                abs(numeric - analytic) <= tolerance * max(1e-2, scale / Double(direction.count).squareRoot(), abs(analytic)),
                "\(name), input \(i), \(label): central difference \(numeric), gradient \(analytic)", sourceLocation: sourceLocation)
        }
        for trial in 0..<3 {
            compare(randomTensor(input.shape, key: "\(name)/direction\(i).\(trial)").elements, "direction \(trial)")
        }
        let random = Philox(seed: 3, domain: "\(name)/elements")
        for trial in 0..<min(6, input.count) {
            let element = random.integer(below: input.count, sample: i, draw: trial)
            compare((0..<input.count).map { $0 == element ? 1 : 0 }, "element \(element)")
        }
    }
}
