/// A block of memory for floats, aligned to 128 bytes; all tensor memory is taken here.
///
/// Freed blocks go back to the tensor heap and are handed out again, so a training step that repeats its shapes asks the system for nothing.
/// Memory carries no values from one use to the next that anyone may rely on.
// Sendable: the pointer never changes; who may write is the business of the tensors that share the storage.
public final class Storage: @unchecked Sendable {
    /// Room for at least `count` floats, uninitialised.
    package let pointer: UnsafeMutablePointer<Float>
    package let capacity: Int
    /// Who owns the memory, if not this storage.
    private let owner: AnyObject?

    init(count: Int) {
        let bytes = TensorHeap.roundedUp(count * MemoryLayout<Float>.stride)
        capacity = bytes / MemoryLayout<Float>.stride
        pointer = TensorHeap.shared.take(bytes).bindMemory(to: Float.self, capacity: capacity)
        owner = nil
    }

    /// Memory that `owner` owns and that is kept alive with this storage.
    init(sharing pointer: UnsafeMutablePointer<Float>, count: Int, owner: AnyObject) {
        self.pointer = pointer
        capacity = count
        self.owner = owner
    }

    deinit {
        if owner == nil { TensorHeap.shared.give(pointer, bytes: capacity * MemoryLayout<Float>.stride) }
    }

    /// Uninitialised scratch memory for the time of `body`: from the thread's own stack, or from the heap if that much is asked for.
    package static func withScratch<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
        if let result = ScratchStack.with(count, body) { return result }
        let storage = Storage(count: count)
        return withExtendedLifetime(storage) { body(storage.pointer) }
    }
}
