/// A dense array of Float32 in row-major order. Images and feature maps are channels-last, `[B, H, W, C]`, so a map *is* a token sequence
/// `[B, H·W, C]`.
///
/// A tensor is a view: copies share memory, and so do `reshaped` and `slice`. Operations return new tensors; the few that write in place
/// say so in their names.
public struct Tensor: Sendable {
    package var storage: Storage
    /// The first element's position in the storage.
    let offset: Int
    public let shape: Shape

    init(storage: Storage, offset: Int, shape: Shape) {
        precondition(offset + shape.count <= storage.capacity, "shape \(shape) at \(offset) exceeds its storage of \(storage.capacity)")
        self.storage = storage
        self.offset = offset
        self.shape = shape
    }

    /// A tensor whose elements have no defined value yet.
    public init(uninitialised shape: Shape) {
        self.init(storage: Storage(count: shape.count), offset: 0, shape: shape)
    }

    public init(zeros shape: Shape) {
        self.init(filledWith: 0, shape)
    }

    public init(filledWith value: Float, _ shape: Shape) {
        self.init(uninitialised: shape)
        pointer.update(repeating: value, count: count)
    }

    /// A tensor with the given elements in row-major order.
    public init(_ elements: [Float], _ shape: Shape) {
        precondition(elements.count == shape.count, "\(elements.count) elements for shape \(shape)")
        self.init(uninitialised: shape)
        elements.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.update(from: base, count: elements.count) }
        }
    }

    /// A tensor over memory that `owner` owns, e.g. a receive buffer; the owner lives as long as the tensor. Whoever else writes there must
    /// know of it.
    public init(sharing bytes: UnsafeMutableRawBufferPointer, owner: AnyObject, _ shape: Shape) {
        precondition(bytes.count >= shape.count * MemoryLayout<Float>.stride, "\(bytes.count) bytes for a tensor of shape \(shape)")
        guard let base = bytes.baseAddress else { preconditionFailure("no memory for a tensor of shape \(shape)") }
        self.init(
            storage: Storage(sharing: base.assumingMemoryBound(to: Float.self), count: shape.count, owner: owner), offset: 0,
            shape: shape)
    }

    /// The number of elements.
    public var count: Int { shape.count }

    /// The elements' address, valid while this tensor (or a copy of it) lives.
    package var pointer: UnsafeMutablePointer<Float> { storage.pointer + offset }

    /// The elements as an array, row-major.
    public var elements: [Float] {
        withExtendedLifetime(storage) { Array(UnsafeBufferPointer(start: pointer, count: count)) }
    }

    /// Calls `body` with the elements' memory.
    public func withElements<Result>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(storage) { try body(UnsafeMutableBufferPointer(start: pointer, count: count)) }
    }

    /// Calls `body` with the elements' bytes (little-endian Float32 on every supported machine).
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withElements { try body(UnsafeRawBufferPointer($0)) }
    }

    /// The single element of a one-element tensor.
    public var scalar: Float {
        precondition(count == 1, "shape \(shape) is not a scalar")
        return withExtendedLifetime(storage) { pointer[0] }
    }

    /// The same elements under another shape.
    public func reshaped(_ shape: Shape) -> Tensor {
        precondition(shape.count == count, "cannot reshape \(self.shape) to \(shape)")
        return Tensor(storage: storage, offset: offset, shape: shape)
    }

    /// `shape.count` consecutive elements from position `start`, sharing memory.
    public func slice(from start: Int, _ shape: Shape) -> Tensor {
        precondition(start >= 0 && start + shape.count <= count, "slice \(start)+\(shape) outside \(self.shape)")
        return Tensor(storage: storage, offset: offset + start, shape: shape)
    }

    /// A copy with memory of its own.
    public func copied() -> Tensor {
        let copy = Tensor(uninitialised: shape)
        copy.copyInPlace(from: self)
        return copy
    }

    /// Overwrites the elements with those of a tensor of the same shape.
    public func copyInPlace(from other: Tensor) {
        precondition(other.count == count, "cannot copy \(other.shape) into \(shape)")
        pointer.update(from: other.pointer, count: count)
    }

    public func fillInPlace(_ value: Float) {
        pointer.update(repeating: value, count: count)
    }
}
