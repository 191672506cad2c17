import Fleet
import Glibc

/// Memory for weights or a gradient: aligned to 64 bytes, or to 2 MiB with huge pages when it is large. Zero at first; of a large buffer the
/// system makes pages as they are first used, so that making it takes no time.
///
/// The owner decides who writes: buffers handed to a delegate or a message are not written until they are free again.
public final class BulkBuffer: @unchecked Sendable {
    // Sendable: `base` never changes; one writer at a time is the contract of whoever holds the buffer.
    private let base: UnsafeMutableRawPointer
    /// The mapping around a large buffer.
    private let mapping: UnsafeMutableRawBufferPointer?
    /// Length in bytes.
    public let count: Int

    private static let hugePage = 2 << 20

    public init(count: Int) {
        precondition(count >= 0, "a buffer of \(count) bytes")
        self.count = count
        if count >= 2 * Self.hugePage {
            let length = count + Self.hugePage
            let memory = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let memory, memory != MAP_FAILED else { preconditionFailure("no memory for a buffer of \(count) bytes") }
            mapping = UnsafeMutableRawBufferPointer(start: memory, count: length)
            base = memory.alignedUp(toMultipleOf: Self.hugePage)
            madvise(base, count, MADV_HUGEPAGE)
        } else {
            var memory: UnsafeMutableRawPointer?
            let result = posix_memalign(&memory, 64, max(count, 1))
            guard result == 0, let memory else { preconditionFailure("no memory for a buffer of \(count) bytes") }
            memset(memory, 0, count)
            mapping = nil
            base = memory
        }
    }

    deinit {
        if let mapping { munmap(mapping.baseAddress, mapping.count) } else { free(base) }
    }

    /// The memory; valid while the buffer lives. A local variable may release its buffer right after the last use: hold it with
    /// `withExtendedLifetime`, or keep it in a property or parameter, for as long as the pointer is used.
    public var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    /// Copies bytes to an offset.
    func copy(_ source: UnsafeRawBufferPointer, to offset: Int) {
        precondition(offset >= 0 && source.count <= count - offset, "\(source.count) bytes at \(offset) of \(count)")
        if let start = source.baseAddress { memcpy(base + offset, start, source.count) }
    }
}

/// Bytes to send, with what keeps them alive. They must not change until the last reference to the owner outside of the
/// sender is the only one: `BufferPool` waits for exactly that.
public struct BulkPayload: @unchecked Sendable {
    // Sendable: the bytes are only read, and the owner is only kept and released.
    public let bytes: UnsafeRawBufferPointer
    public let owner: AnyObject

    /// - Parameter owner: the object that owns `bytes`.
    public init(bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        self.bytes = bytes
        self.owner = owner
    }

    /// All bytes of a buffer.
    public init(_ buffer: BulkBuffer) { self.init(bytes: UnsafeRawBufferPointer(buffer.bytes), owner: buffer) }

    /// A copy of bytes.
    public init(copying bytes: some Collection<UInt8>) {
        let buffer = BulkBuffer(count: bytes.count)
        buffer.bytes.copyBytes(from: bytes)
        self.init(buffer)
    }

    /// A part of the payload.
    func part(_ range: Range<Int>) -> BulkPayload {
        BulkPayload(bytes: UnsafeRawBufferPointer(rebasing: bytes[range]), owner: owner)
    }
}

/// Buffers of one size, used again as soon as nobody else refers to them: no message on its way, no delegate, no computation.
/// Belongs to one thread.
public struct BufferPool {
    /// The size of the buffers, in bytes.
    public let count: Int
    private var buffers: [BulkBuffer] = []

    public init(count: Int) { self.count = count }

    /// A buffer that nobody uses; its bytes are whatever they were.
    public mutating func take() -> BulkBuffer {
        for position in buffers.indices where isKnownUniquelyReferenced(&buffers[position]) { return buffers[position] }
        let buffer = BulkBuffer(count: count)
        buffers.append(buffer)
        return buffer
    }

    /// Buffers made so far.
    package var allocated: Int { buffers.count }
}
