import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// A thread's own memory for the scratch arrays of the tiles it computes, nested calls on top of each other.
///
/// Which thread computes which tile depends on timing, so scratch from a shared heap would make the heap's growth depend on timing too. A
/// stack is address space set aside once for a thread, and for a pool's threads before their first tile; like a call stack it has as much
/// memory as it was ever deep.
final class ScratchStack {
    private let base: UnsafeMutablePointer<Float>
    private var depth = 0

    /// Floats a stack may hold.
    private static let capacity = 1 << 24
    /// Larger requests go to the heap: they come from whole operations rather than from tiles, and must not stay with one thread.
    private static let largest = 1 << 22

    private init() {
        let bytes = ScratchStack.capacity * MemoryLayout<Float>.stride
        let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else { preconditionFailure("out of memory: \(bytes) bytes of scratch for a thread") }
        madvise(memory, bytes, MADV_HUGEPAGE)
        base = memory.bindMemory(to: Float.self, capacity: ScratchStack.capacity)
    }

    /// Calls `body` with `count` floats on the calling thread's stack; nil, and nothing is called, if they belong on the heap.
    static func with<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result? {
        let size = (count + 31) & ~31
        guard size <= largest else { return nil }
        let stack = ofThisThread
        guard stack.depth + size <= capacity else { return nil }
        let start = stack.depth
        stack.depth += size
        defer { stack.depth = start }
        return body(stack.base + start)
    }

    /// Sets stacks aside for so many threads more (fewer, if negative): those of a pool that starts or ends.
    static func reserve(threads: Int) {
        spare.withLock { spare in
            spare.expected += threads
            while spare.made < spare.expected {
                spare.stacks.append(Unmanaged.passRetained(ScratchStack()).toOpaque())
                spare.made += 1
            }
        }
    }

    /// How many were ever set aside.
    static var reservations: Int { spare.withLock { $0.made } }

    private struct Spare: @unchecked Sendable {
        /// Of no thread.
        var stacks: [UnsafeMutableRawPointer] = []
        var made = 0
        /// Threads of the pools there are.
        var expected = 0
    }

    private static let spare = Mutex(Spare())

    /// The thread-local slot; a thread that ends leaves its stack to the next one.
    private static let slot: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { stack in
            if let stack { ScratchStack.spare.withLock { $0.stacks.append(stack) } }
        }
        precondition(status == 0, "no thread-local memory: error \(status)")
        return key
    }()

    private static var ofThisThread: ScratchStack {
        if let stack = pthread_getspecific(slot) { return Unmanaged<ScratchStack>.fromOpaque(stack).takeUnretainedValue() }
        let stack = spare.withLock { spare -> UnsafeMutableRawPointer in
            if let stack = spare.stacks.popLast() { return stack }
            spare.made += 1
            return Unmanaged.passRetained(ScratchStack()).toOpaque()
        }
        pthread_setspecific(slot, stack)
        return Unmanaged<ScratchStack>.fromOpaque(stack).takeUnretainedValue()
    }
}
