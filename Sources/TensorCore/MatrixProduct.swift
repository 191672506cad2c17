internal import CBLAS

/// A matrix operand: rows of `stride` floats from `pointer`, used as it stands or transposed.
package struct MatrixOperand {
    let pointer: UnsafePointer<Float>
    let stride: Int
    let transposed: Bool

    package init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
        self.pointer = pointer
        self.stride = stride
        self.transposed = transposed
    }

    /// The operand from row `row` and column `column` of the matrix as used.
    func at(row: Int, column: Int) -> UnsafePointer<Float> {
        transposed ? pointer + column * stride + row : pointer + row * stride + column
    }
}

/// One single-threaded BLAS call: out[rows, columns] = alpha · a · b + beta · out.
package func multiply(
    _ a: MatrixOperand, _ b: MatrixOperand, into out: UnsafeMutablePointer<Float>, stride: Int,
    rows: Int, columns: Int, depth: Int, alpha: Float = 1, beta: Float = 0
) {
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
        CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
        blasint(rows), blasint(columns), blasint(depth), alpha, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
        beta, out, blasint(stride))
}

/// A part of a product's output.
package struct ProductTile {
    package let rows: Range<Int>
    package let columns: Range<Int>
}

/// How a product is cut into tiles for the pool's threads; by its shape only.
struct ProductTiling {
    let down: Partition
    let across: Partition

    /// The longest side of a tile: 512 × 512 results are 1 MiB, what a second-level cache holds.
    private static let longest = 512
    /// A tile of m × n results costs m·n + 10 (m + n): BLAS packs both operands anew for every tile (measured, 10 % for 128 × 512).
    private static let packing = 10.0

    /// The cut that costs least, on average over 1, 2, 4 and 8 threads: few large tiles, but enough of them to share out evenly.
    init(rows: Int, columns: Int) {
        var best = (cost: Double.infinity, down: 1, across: 1)
        let fewestDown = (rows + ProductTiling.longest - 1) / ProductTiling.longest
        let fewestAcross = (columns + ProductTiling.longest - 1) / ProductTiling.longest
        for down in fewestDown..<max(min(fewestDown + 8, rows / 64), fewestDown + 1) {
            for across in fewestAcross..<max(min(fewestAcross + 8, columns / 64), fewestAcross + 1) {
                let tiles = down * across
                let idle = [1, 2, 4, 8].reduce(0.0) { $0 + Double((tiles + $1 - 1) / $1 * $1) / Double(tiles) }
                let cost = idle * (1 + ProductTiling.packing * (Double(down) / Double(rows) + Double(across) / Double(columns)))
                if cost < best.cost { best = (cost, down, across) }
            }
        }
        down = Partition(rows, parts: best.down)
        across = Partition(columns, parts: best.across)
    }

    var count: Int { down.parts * across.parts }

    subscript(index: Int) -> ProductTile {
        ProductTile(rows: down[index / across.parts], columns: across[index % across.parts])
    }
}

/// The same product cut into tiles that the pool's threads take. `finish` is called on every tile by the thread that has just computed it,
/// while it is in cache: the place for a bias, an activation, a residual.
package func multiply(
    _ a: MatrixOperand, _ b: MatrixOperand, into out: UnsafeMutablePointer<Float>, stride: Int,
    rows: Int, columns: Int, depth: Int, alpha: Float = 1, beta: Float = 0, pool: ThreadPool,
    finish: ((ProductTile) -> Void)? = nil
) {
    let tiling = ProductTiling(rows: rows, columns: columns)
    pool.parallel(tiling.count) { index in
        let tile = tiling[index]
        let (row, column) = (tile.rows.lowerBound, tile.columns.lowerBound)
        multiply(
            MatrixOperand(a.at(row: row, column: 0), stride: a.stride, transposed: a.transposed),
            MatrixOperand(b.at(row: 0, column: column), stride: b.stride, transposed: b.transposed),
            into: out + row * stride + column, stride: stride, rows: tile.rows.count, columns: tile.columns.count,
            depth: depth, alpha: alpha, beta: beta)
        finish?(tile)
    }
}
