import TensorCore
import Testing

/// Numbers in (−scale, scale) that depend on shape and key alone.
func random(_ shape: Shape, _ key: String, scale: Float = 1) -> Tensor {
    let philox = Philox(seed: 1, domain: key)
    return Tensor((0..<shape.count).map { (Float(philox.uniform(draw: $0)) * 2 - 1) * scale }, shape)
}

/// Expects a relative L2 error of at most `tolerance` against values in double precision, and no single error above 20 times that share of
/// the largest value.
func expectClose(
    _ got: [Float], _ want: [Double], _ what: String, tolerance: Double = 3e-6, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(got.count == want.count, "\(what)", sourceLocation: sourceLocation)
    let errors = zip(got, want).map { Double($0) - $1 }
    let norm = want.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let error = errors.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(error <= tolerance * norm, "\(what): relative error \(error / norm)", sourceLocation: sourceLocation)
    let (worst, largest) = (errors.map(abs).max() ?? 0, want.map(abs).max() ?? 0)
    #expect(worst <= 20 * tolerance * largest, "\(what): off by \(worst), largest value \(largest)", sourceLocation: sourceLocation)
}

/// Expects the same bits from `body` for 1, 2, 3 and 4 threads.
func expectSameBits(_ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: (ThreadPool) -> [Tensor]) {
    let want = body(ThreadPool(threads: 1)).map { $0.elements.map(\.bitPattern) }
    for threads in 2...4 {
        let got = body(ThreadPool(threads: threads)).map { $0.elements.map(\.bitPattern) }
        #expect(got == want, "\(what) with \(threads) threads", sourceLocation: sourceLocation)
    }
}
