import Checkpoints
import Foundation
import NeuralNet
import TensorCore
import Testing

extension FixtureArrays {
    /// Compares values with a golden array: |got − want| ≤ 1e-4·max(1, max|want|) + 20·(the reference's own float32 deviation).
    public func expect(
        _ got: [Float], near name: String, factor: Float = 1, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        if try !isDataset(name) {  // a sampled tensor
            let index = try integers("\(name)/index")
            let values = try floats("\(name)/values")
            let stats = try floats("\(name)/stats")
            compare(index.map { got[$0] }, values, tolerance: factor * 1e-4 * max(1, stats[3]), name, sourceLocation)
            let norm = got.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(norm - Double(stats[0])) <= 1e-4 * max(1, Double(stats[0])), "L2 of \(base)/\(name)", sourceLocation: sourceLocation)
            return
        }
        let want = try floats(name)
        try #require(got.count == want.count, "\(base)/\(name) has \(want.count) elements", sourceLocation: sourceLocation)
        let deviation = (try? reader.doubleAttribute("f32_max_abs_dev", of: path(name))) ?? 0
        let largest = want.reduce(Float(1)) { max($0, abs($1)) }
        compare(got, want, tolerance: factor * 1e-4 * largest + 20 * Float(deviation), name, sourceLocation)
    }

    private func compare(_ got: [Float], _ want: [Float], tolerance: Float, _ name: String, _ sourceLocation: SourceLocation) {
        var worst: (Int, Float) = (0, 0)
        for i in want.indices {
            // A value that is not a number is infinitely wrong.
            let error = got[i].isFinite ? abs(got[i] - want[i]) : .infinity
            if error > worst.1 { worst = (i, error) }
        }
        #expect(
            worst.1 <= tolerance,
            "\(base)/\(name) element \(worst.0): got \(got[worst.0]), want \(want[worst.0]), off by \(worst.1), allowed \(tolerance)",
            sourceLocation: sourceLocation)
    }

    /// Compares values with a golden gradient array, against its own L2: error ≤ 1e-3·L2.
    public func expectGradient(_ got: [Float], near name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        if try !isDataset(name) { return try expect(got, near: name, sourceLocation: sourceLocation) }
        let want = try floats(name)
        try #require(got.count == want.count, sourceLocation: sourceLocation)
        let error = zip(got, want).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
        let norm = want.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let deviation = (try? reader.doubleAttribute("f32_max_abs_dev", of: path(name))) ?? 0
        #expect(
            error <= 1e-3 * norm + 20 * deviation * Double(got.count).squareRoot() + 1e-6, "\(base)/\(name): L2 error \(error) of \(norm)",
            sourceLocation: sourceLocation)
    }

    /// Compares all parameter gradients with a golden table: error ≤ 1e-3·L2 + 10·(float32 deviation) + 1e-5·(largest L2 of the table).
    public func expectGradients(
        _ gradients: Tensor, of layout: ParameterLayout, table: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let names = try #require(try json("\(table)/names_json") as? [String])
        let stats = try floats("\(table)/stats")
        let deviations = try floats("\(table)/f32_dev")
        let indices = try integers("\(table)/sample_index")
        let samples = try floats("\(table)/sample_value")
        let perRow = indices.count / max(names.count, 1)
        let largest = Double(names.indices.map { stats[3 * $0] }.max() ?? 0)
        for (row, name) in names.enumerated() {
            guard let parameter = layout.parameter(named: name) else {
                Issue.record("the model has no parameter \(name)", sourceLocation: sourceLocation)
                continue
            }
            let got = parameter.official(from: gradients)
            let norm = Double(stats[3 * row])
            let isFinite = got.allSatisfy { $0.isFinite }
            #expect(isFinite, "\(base) gradient of \(name) is not finite", sourceLocation: sourceLocation)
            func allowed(_ deviation: Float) -> Double { 1e-3 * norm + 10 * Double(deviation) + 1e-5 * largest }
            let full = "\(table)/full/\(name)"
            if has(full) {
                let want = try floats(full)
                let error = zip(got, want).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
                #expect(error <= allowed(deviations[2 * row]), "\(base) gradient of \(name): L2 error \(error) of \(norm)", sourceLocation: sourceLocation)
            }
            for slot in 0..<perRow where indices[row * perRow + slot] >= 0 {
                let error = abs(Double(got[indices[row * perRow + slot]] - samples[row * perRow + slot]))
                if error > allowed(deviations[2 * row + 1]) {
                    Issue.record(
                        "\(base) gradient of \(name) at \(indices[row * perRow + slot]): off by \(error), L2 \(norm)",
                        sourceLocation: sourceLocation)
                    break
                }
            }
            let gotNorm = got.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(
                abs(gotNorm - norm) <= allowed(deviations[2 * row]), "\(base) gradient norm of \(name): \(gotNorm), want \(norm)",
                sourceLocation: sourceLocation)
        }
    }
}
