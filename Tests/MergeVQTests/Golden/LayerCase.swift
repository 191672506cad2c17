import NeuralNet
import TensorCore
import TestKit
import Testing

/// Runs a layer built for a fixture case on its stored input and compares output, input gradient and parameter gradients.
func compareLayer(
    _ arrays: FixtureArrays, input name: String = "x", output: String = "y", maps: Bool = true,
    _ build: (ParameterScope) -> (Variable) -> Variable, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let (layer, layout) = ParameterLayout.build(build)
    let weights = try arrays.hashedWeights(for: layout)
    let gradients = Tensor(zeros: [layout.count])
    let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
    func load(_ path: String) throws -> Tensor { maps ? try arrays.map(path) : try arrays.tensor(path) }
    func store(_ tensor: Tensor) -> [Float] { maps ? channelsFirst(tensor) : tensor.elements }
    let x = graph.input(try load("inputs/\(name)"))
    let y = layer(x)
    try arrays.expect(store(y.value), near: "outputs/\(output)", sourceLocation: sourceLocation)
    graph.backward(from: y, seed: try load("inputs/cotangent"))
    let gradient = try #require(x.gradient)
    try arrays.expectGradient(store(gradient), near: "grads/\(name)", sourceLocation: sourceLocation)
    if layout.count > 0 {
        try arrays.expectGradients(gradients, of: layout, table: "grads/params", sourceLocation: sourceLocation)
    }
}

/// The stored shape of a hashed parameter.
func hashedShape(_ arrays: FixtureArrays, _ name: String) throws -> [Int] {
    let table = try arrays.json("params_hashed_json") as? [[String: Any]] ?? []
    return try #require(table.first { $0["name"] as? String == name }?["shape"] as? [Int], "no hashed parameter \(name)")
}
