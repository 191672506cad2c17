/// Multiplications of a product up to which the BLAS library's kernel family has kernels that need no packing, or nil if it has none. Winograd's
/// products are small and many: packed, they reach half the speed (docs/kernels.md).
let smallProductLimit: Int? =
    switch NumericEnvironment.kernelFamily {
    case "SkylakeX", "Cooperlake", "SapphireRapids": 1_000_000
    default: nil
    }

/// `multiply`, in pieces of the output that need no packing, if the kernel family has kernels for that and the pieces are worth it.
func multiplyInPieces(
    _ a: MatrixOperand, _ b: MatrixOperand, into out: UnsafeMutablePointer<Float>, stride: Int,
    rows: Int, columns: Int, depth: Int, beta: Float = 0
) {
    let width = 64
    guard let limit = smallProductLimit, rows * columns * depth > limit || columns > width, limit >= 16 * width * depth else {
        multiply(a, b, into: out, stride: stride, rows: rows, columns: columns, depth: depth, beta: beta)
        return
    }
    // Pieces of equal height, a multiple of 4.
    let highest = limit / (width * depth)
    let pieces = (rows + highest - 1) / highest
    let height = (rows + 4 * pieces - 1) / (4 * pieces) * 4
    var row = 0
    while row < rows {
        var column = 0
        while column < columns {
            multiply(
                MatrixOperand(a.at(row: row, column: 0), stride: a.stride, transposed: a.transposed),
                MatrixOperand(b.at(row: 0, column: column), stride: b.stride, transposed: b.transposed),
                into: out + row * stride + column, stride: stride, rows: min(height, rows - row), columns: min(width, columns - column),
                depth: depth, beta: beta)
            column += width
        }
        row += height
    }
}
