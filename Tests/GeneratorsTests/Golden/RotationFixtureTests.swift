import Generators
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 30: rotary tables, and rotation in raster order and by a list of cells for each sample.
@Suite(.enabled(if: Fixtures.exist("30_"), Fixtures.skipped))
struct RotationFixtureTests {
    @Test(arguments: try FixtureCase.all("30_"))
    func matchesGoldenRotations(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let settings = fixture.settings
        let (width, grid, prefix) = (settings.integer("head_dim"), settings.integer("grid"), settings.integer("prefix"))
        let (batch, length, heads) = (settings.integer("batch"), settings.integer("seq"), settings.integer("heads"))
        let table = RotaryTable(headWidth: width, grid: grid, prefix: prefix, base: settings.double("base"))
        let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 2))

        // The table is what it does to (1, 0): every pair becomes (cos, sin).
        let rows = Array(0..<(prefix + grid * grid))
        let units = Tensor((0..<(rows.count * width)).map { $0 % 2 == 0 ? 1 : 0 }, [1, rows.count, width])
        try arrays.expect(graph.constant(units).rotatedHeads(by: table.rotation(rows: rows)).value.elements, near: "outputs/table")

        let x = graph.input(try arrays.tensor("inputs/x").reshaped([batch, length, heads * width]))
        let rotated = x.rotatedHeads(by: table.rotation(rows: Array(0..<length)))
        try arrays.expect(rotated.value.elements, near: "outputs/rotated")
        graph.backward(from: rotated, seed: try arrays.tensor("inputs/cotangent").reshaped(x.shape))
        try arrays.expectGradient(try #require(x.gradient).elements, near: "grads/x")

        let identity = RotaryTable(headWidth: width, grid: grid, prefix: prefix, prefixRotation: .identity)
        try arrays.expect(x.rotatedHeads(by: identity.rotation(rows: Array(0..<length))).value.elements, near: "outputs/rotated_identity_prefix")

        let cells = try arrays.integers("inputs/cells")
        let count = try arrays.shape("inputs/cells")[1]
        let lists = (0..<batch).map { sample in cells[(sample * count)..<((sample + 1) * count)].map { prefix + $0 } }
        let gathered = x.rows(from: 0, count: count).rotatedHeads(by: table.rotation(rows: lists))
        try arrays.expect(gathered.value.elements, near: "outputs/gathered")
    }
}
