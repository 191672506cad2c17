import Kernels

/// Weights `[outputs, inputs]` laid out for products with a few rows: panels of 32 outputs, in a panel one line an input. A product reads them
/// once from front to back, and needs no packing.
///
/// Every result is one chain of fused multiply-adds over ascending inputs, so a row's bits depend on nothing but the row and the weights: not
/// on the other rows, the threads, or the processor.
package struct PackedMatrix: Sendable {
    package static let panelWidth = rowPanelWidth

    package let outputs: Int
    package let inputs: Int
    private let panels: Tensor

    /// A copy of a matrix.
    package init(_ matrix: Tensor, pool: ThreadPool) { self.init(interleaving: [matrix], pool: pool) }

    /// Copies of matrices of one shape, whose panels take turns: outputs 0 ..< 32 of each, then the next 32. The last panel of each is filled up
    /// with zeros.
    package init(interleaving matrices: [Tensor], pool: ThreadPool) {
        let (each, inputs, width) = (matrices[0].shape[0], matrices[0].shape[1], PackedMatrix.panelWidth)
        precondition(matrices.allSatisfy { $0.shape == matrices[0].shape }, "matrices of unlike shapes")
        let count = (each + width - 1) / width * matrices.count
        let panels = Tensor(uninitialised: [count, inputs, width])
        pool.parallel(count) { panel in
            let matrix = matrices[panel % matrices.count]
            let first = panel / matrices.count * width
            let target = panels.pointer + panel * inputs * width
            for lane in 0..<width {
                guard first + lane < each else {
                    for k in 0..<inputs { target[k * width + lane] = 0 }
                    continue
                }
                let row = matrix.pointer + (first + lane) * inputs
                for k in 0..<inputs { target[k * width + lane] = row[k] }
            }
        }
        self.panels = panels
        self.inputs = inputs
        outputs = matrices.count == 1 ? each : count * width
    }

    package var panelCount: Int { panels.shape[0] }
    package var bytes: Int { panels.count * MemoryLayout<Float>.stride }

    /// The panels of one task: about 256 KiB, a pair where there are two.
    private var panelsPerTile: Int { max(65536 / (inputs * PackedMatrix.panelWidth), 2) }

    /// out[r] = x[r] · Wᵀ for the first `rows` rows, added to what is in `out` if `adds`.
    /// - Parameters:
    ///   - wanted: the panels to multiply by; the outputs of others are left alone. All if nil.
    package func multiply(
        _ x: PaddedRows, into out: PaddedRows, rows: Int, adds: Bool = false, panels wanted: Range<Int>? = nil, pool: ThreadPool
    ) {
        let (wanted, perTile, width) = (wanted ?? 0..<panelCount, panelsPerTile, PackedMatrix.panelWidth)
        precondition(
            rows <= min(x.count, out.count) && x.width >= inputs && out.stride >= wanted.upperBound * width && wanted.upperBound <= panelCount,
            "\(rows) rows of \(x.width) times \(outputs) × \(inputs)")
        guard rows > 0 else { return }
        pool.parallel((wanted.count + perTile - 1) / perTile) { tile in
            let first = wanted.lowerBound + tile * perTile
            multiply(x, panels: first..<min(first + perTile, wanted.upperBound), into: out[0] + first * width, stride: out.stride, rows: rows, adds: adds)
        }
    }

    /// The part of a product that one task computes, into `out`, whose first column is that of the first panel.
    package func multiply(_ x: PaddedRows, panels range: Range<Int>, into out: UnsafeMutablePointer<Float>, stride: Int, rows: Int, adds: Bool = false) {
        rowPanelProduct(
            x[0], stride: x.stride, rows: rows, panels: panels.pointer + range.lowerBound * inputs * PackedMatrix.panelWidth,
            panelCount: range.count, depth: inputs, into: out, outStride: stride, adds: adds)
    }
}
