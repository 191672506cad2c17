/// Rows of floats for `PackedMatrix`: whole panels wide, and an odd number of cache lines apart. Rows that lie a power of two apart would share a
/// few sets of the caches.
package struct PaddedRows: Sendable {
    package let count: Int
    package let width: Int
    /// Floats from one row to the next.
    package let stride: Int
    private let memory: Tensor

    /// Zeros.
    package init(count: Int, width: Int) {
        self.count = count
        self.width = width
        stride = (width + PackedMatrix.panelWidth - 1) / PackedMatrix.panelWidth * PackedMatrix.panelWidth + 16
        memory = Tensor(zeros: [count, stride])
    }

    /// A row's address, valid as long as these rows live.
    package subscript(row: Int) -> UnsafeMutablePointer<Float> {
        precondition(row >= 0 && row < count, "row \(row) of \(count)")
        return memory.pointer + row * stride
    }

    package var bytes: Int { memory.count * MemoryLayout<Float>.stride }
}
