import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 06: look-up-free quantisation, both entropies and the commitment loss with their gradients, 3 to 18 bits.
@Suite(.enabled(if: Fixtures.exist("06_"), Fixtures.skipped))
struct QuantizerFixtureTests {
    @Test(arguments: try FixtureCase.all("06_"))
    func matchesGoldenValues(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        let quantizer = LookupFreeQuantizer(
            bits: settings.integer("d"), temperature: settings.has("temperature") ? settings.double("temperature") : 0.01,
            epsilon: settings.has("eps") ? settings.double("eps") : 1e-5)
        let input = try arrays.tensor("inputs/y")
        let pool = ThreadPool(threads: 1)

        func gradient(_ loss: (Variable) -> Variable) throws -> (value: Float, gradient: [Float]) {
            let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: pool)
            let y = graph.input(input)
            let value = loss(y)
            graph.backward(from: value)
            return (value.value.scalar, try #require(y.gradient).elements)
        }

        let codes = quantizer(Graph(weights: Tensor(zeros: [0]), pool: pool).constant(input))
        #expect(codes.indices.map(Int.init) == (try arrays.integers("outputs/index")))
        if arrays.has("outputs/z") { #expect(codes.z.value.elements == (try arrays.floats("outputs/z"))) }
        #expect(quantizer.codes(of: codes.indices).elements == codes.z.value.elements)

        let perSample = try gradient { quantizer.entropy.perSample($0) }
        let batch = try gradient { quantizer.entropy.batch($0) }
        let commitment = try gradient { quantizer.commitment($0) }
        try arrays.expect([perSample.value], near: "outputs/Hs")
        try arrays.expect([batch.value], near: "outputs/Hb")
        try arrays.expect([commitment.value], near: "outputs/commit")
        try arrays.expectGradient(perSample.gradient, near: "grads/H_s")
        try arrays.expectGradient(batch.gradient, near: "grads/H_b")
        try arrays.expectGradient(commitment.gradient, near: "grads/commit")

        let cotangent = try arrays.tensor("inputs/cotangent")
        let total = try gradient { y in
            Variable.weightedSum([
                (1, quantizer(y).z.inner(cotangent)), (0.1, quantizer.entropy.perSample(y)), (-0.1, quantizer.entropy.batch(y)),
                (0.25, quantizer.commitment(y)),
            ])
        }
        try arrays.expect([total.value], near: "outputs/loss")
        try arrays.expectGradient(total.gradient, near: "grads/total")
    }
}
