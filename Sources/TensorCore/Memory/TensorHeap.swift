import Synchronization

/// Where tensors get their memory: two zones, so that small long-lived blocks (statistics, scalars) do not lie between the large ones.
///
/// A step that starts with the same tensors in memory and repeats the same sizes gets the same addresses, so after the first it asks the system
/// for nothing. Scratch memory of single tiles, whose order depends on timing, comes from elsewhere (`ScratchStack`).
final class TensorHeap: Sendable {
    static let shared = TensorHeap()

    private let small = Mutex(HeapZone(reserve: 1 << 36))
    private let large = Mutex(HeapZone(reserve: 1 << 40))

    /// Blocks below this many bytes are small.
    private static let largeBlock = 1 << 16
    /// Two cache lines, which processors fetch together: no two blocks share them.
    private static let alignment = 128

    /// What a block of `bytes` bytes takes up.
    static func roundedUp(_ bytes: Int) -> Int {
        max(bytes + alignment - 1, alignment) / alignment * alignment
    }

    func take(_ bytes: Int) -> UnsafeMutableRawPointer {
        let address = (bytes < TensorHeap.largeBlock ? small.withLock { $0.take(bytes) } : large.withLock { $0.take(bytes) })
        guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else { preconditionFailure("no memory at address 0") }
        return pointer
    }

    func give(_ pointer: UnsafeMutableRawPointer, bytes: Int) {
        let address = Int(bitPattern: pointer)
        if bytes < TensorHeap.largeBlock { small.withLock { $0.give(address, bytes) } } else { large.withLock { $0.give(address, bytes) } }
    }

    fileprivate var statistics: TensorMemory {
        let (a, b) = (small.withLock { $0.statistics }, large.withLock { $0.statistics })
        return TensorMemory(
            liveBytes: a.liveBytes + b.liveBytes, peakLiveBytes: a.peakLiveBytes + b.peakLiveBytes, heldBytes: a.heldBytes + b.heldBytes,
            systemAllocations: a.systemAllocations + b.systemAllocations + ScratchStack.reservations)
    }
}

/// What tensors cost this process so far.
package struct TensorMemory: Sendable, Equatable {
    /// In tensors now; without scratch.
    package let liveBytes: Int
    /// The most so far.
    package let peakLiveBytes: Int
    /// Taken from the system and kept; what exceeds `peakLiveBytes` is lost between blocks.
    package let heldBytes: Int
    /// How many times the system was asked for memory: growths of the heap, and scratch stacks.
    package let systemAllocations: Int

    /// Of all threads.
    package static var current: TensorMemory { TensorHeap.shared.statistics }
}
