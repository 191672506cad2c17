import Kernels

/// Floats a tile of an elementwise operation: long enough to pay for handing it out.
private let elementwiseTile = 32_768

extension Tensor {
    /// Runs a flat loop over fixed tiles: `body(start, count)`.
    func tiled(_ pool: ThreadPool, _ body: (Int, Int) -> Void) {
        let tiles = (count + elementwiseTile - 1) / elementwiseTile
        pool.parallel(tiles) { tile in
            body(tile * elementwiseTile, min(elementwiseTile, count - tile * elementwiseTile))
        }
    }

    private func combined(
        _ other: Tensor, _ pool: ThreadPool,
        _ kernel: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
    ) -> Tensor {
        precondition(other.count == count, "elementwise operation on \(shape) and \(other.shape)")
        let out = Tensor(uninitialised: shape)
        tiled(pool) { start, length in kernel(pointer + start, other.pointer + start, out.pointer + start, length) }
        return out
    }

    package func adding(_ other: Tensor, pool: ThreadPool) -> Tensor {
        combined(other, pool) { add($0, $1, into: $2, count: $3) }
    }

    package func scaled(by factor: Float, pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: shape)
        tiled(pool) { start, length in scale(pointer + start, by: factor, into: out.pointer + start, count: length) }
        return out
    }

    /// self += other, elementwise.
    package func accumulateInPlace(_ other: Tensor, pool: ThreadPool) {
        precondition(other.count == count, "cannot add \(other.shape) to \(shape)")
        tiled(pool) { start, length in accumulate(other.pointer + start, into: pointer + start, count: length) }
    }

    /// Every element becomes `value`.
    public func fillInPlace(_ value: Float, pool: ThreadPool) {
        tiled(pool) { start, length in (pointer + start).update(repeating: value, count: length) }
    }

    /// self *= factor
    public func scaleInPlace(by factor: Float, pool: ThreadPool) {
        tiled(pool) { start, length in scale(pointer + start, by: factor, into: pointer + start, count: length) }
    }

    package func silu(pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: shape)
        tiled(pool) { start, length in Kernels.silu(pointer + start, into: out.pointer + start, count: length) }
        return out
    }

    package func siluGradient(_ dy: Tensor, pool: ThreadPool) -> Tensor {
        combined(dy, pool) { siluBackward($0, gradient: $1, into: $2, count: $3) }
    }

    /// self · other, element by element.
    package func multiplyingElements(by other: Tensor, pool: ThreadPool) -> Tensor {
        combined(other, pool) { multiplyElements($0, $1, into: $2, count: $3) }
    }

    /// SiLU(self) ⊙ x: the gate of a SwiGLU layer.
    package func gating(_ x: Tensor, pool: ThreadPool) -> Tensor {
        combined(x, pool) { gatedSiLU(gate: $0, $1, into: $2, count: $3) }
    }

    /// The gradients of `gating`'s two factors.
    package func gatingGradients(_ x: Tensor, _ dy: Tensor, pool: ThreadPool) -> (gate: Tensor, x: Tensor) {
        precondition(x.count == count && dy.count == count, "gradient \(dy.shape) of a gate \(shape) on \(x.shape)")
        let (gate, share) = (Tensor(uninitialised: shape), Tensor(uninitialised: x.shape))
        tiled(pool) { start, length in
            gatedSiLUBackward(
                gate: pointer + start, x.pointer + start, gradient: dy.pointer + start, gateGradient: gate.pointer + start,
                into: share.pointer + start, count: length)
        }
        return (gate, share)
    }

    package func gelu(pool: ThreadPool) -> Tensor {
        let out = Tensor(uninitialised: shape)
        tiled(pool) { start, length in Kernels.gelu(pointer + start, into: out.pointer + start, count: length) }
        return out
    }

    package func geluGradient(_ dy: Tensor, pool: ThreadPool) -> Tensor {
        combined(dy, pool) { geluBackward($0, gradient: $1, into: $2, count: $3) }
    }

    /// x + gain ⊙ branch over the last axis: LayerScale and residual (spec 2.4).
    package func addingScaled(_ branch: Tensor, gain: Tensor, pool: ThreadPool) -> Tensor {
        let columns = shape[-1]
        precondition(branch.count == count && gain.count == columns, "residual of \(shape), \(branch.shape), gain \(gain.shape)")
        let out = Tensor(uninitialised: shape)
        rowTiles(pool) { row, rows in
            let start = row * columns
            addScaledRows(
                pointer + start, branch.pointer + start, gain: gain.pointer, into: out.pointer + start, rows: rows, columns: columns)
        }
        return out
    }

    /// x ⊙ gain over the last axis.
    package func multiplyingRows(by gain: Tensor, pool: ThreadPool) -> Tensor {
        let columns = shape[-1]
        let out = Tensor(uninitialised: shape)
        rowTiles(pool) { row, rows in
            multiplyRows(
                pointer + row * columns, gain: gain.pointer, into: out.pointer + row * columns, rows: rows, columns: columns)
        }
        return out
    }

    /// sink[c] (+)= Σ_r self[r, c] · other[r, c] in blocks of 256 rows, added in order.
    package func columnDots(_ other: Tensor, into sink: Tensor, beta: Float, pool: ThreadPool) {
        let columns = shape[-1]
        let rows = count / max(columns, 1)
        let block = 256
        let blocks = (rows + block - 1) / block
        if beta == 0 { sink.fillInPlace(0) }
        Storage.withScratch(max(blocks, 1) * columns) { partial in
            partial.update(repeating: 0, count: blocks * columns)
            pool.parallel(blocks) { index in
                let start = index * block * columns
                accumulateColumnDots(
                    pointer + start, other.pointer + start, into: partial + index * columns,
                    rows: min(block, rows - index * block), columns: columns)
            }
            accumulateColumnSums(partial, into: sink.pointer, rows: blocks, columns: columns)
        }
    }

    /// Calls `body(firstRow, rows)` over blocks of rows of the last axis, on the pool.
    package func rowTiles(_ pool: ThreadPool, _ body: (Int, Int) -> Void) {
        let columns = max(shape[-1], 1)
        let rows = count / columns
        let block = max(1, elementwiseTile / columns)
        pool.parallel((rows + block - 1) / block) { tile in
            body(tile * block, min(block, rows - tile * block))
        }
    }

    /// Σ x² in double precision: fixed blocks, added in order.
    package func sumOfSquares(pool: ThreadPool) -> Double {
        let block = 1 << 18
        let blocks = (count + block - 1) / block
        var partial = [Double](repeating: 0, count: blocks)
        partial.withUnsafeMutableBufferPointer { partial in
            nonisolated(unsafe) let partial = partial
            pool.parallel(blocks) { index in
                partial[index] = Kernels.sumOfSquares(pointer + index * block, count: min(block, count - index * block))
            }
        }
        return partial.reduce(0, +)
    }

    /// Whether no element is NaN or infinite.
    public var isFinite: Bool { allFinite(pointer, count: count) }
}
