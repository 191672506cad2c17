#if canImport(Glibc)
import Glibc
#endif

/// A contiguous piece of address space from which blocks are cut. Memory is asked for only as the blocks reach further than ever before, and
/// stays; so what a zone holds is bounded by the most that was in use at once, not by how many different sizes came by.
package struct HeapZone {
    private let base: Int
    private let reserved: Int
    private var holes = FreeRanges()
    /// The end of the last block; the holes lie before it.
    private var end = 0
    /// Bytes from the start that have memory behind them.
    private var held = 0
    private var live = 0
    private var peakLive = 0
    /// How many times the system was asked for memory.
    private var growths = 0

    /// Memory is taken in whole huge pages: streaming over them is over 1.6 times as fast (measured, two threads).
    private static let page = 1 << 21

    /// - Parameter reserve: bytes of address space to set aside, which costs no memory; less where the process is allowed less.
    package init(reserve: Int) {
        var size = reserve
        while true {
            let memory = mmap(nil, size + HeapZone.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            if let memory, memory != MAP_FAILED {
                base = (Int(bitPattern: memory) + HeapZone.page - 1) / HeapZone.page * HeapZone.page
                reserved = size
                madvise(UnsafeMutableRawPointer(bitPattern: base), size, MADV_HUGEPAGE)
                return
            }
            size /= 2
            precondition(size >= HeapZone.page, "no address space for tensors: this process is allowed too little (ulimit -v)")
        }
    }

    /// The address of `bytes` bytes.
    package mutating func take(_ bytes: Int) -> Int {
        live += bytes
        peakLive = max(peakLive, live)
        if let hole = holes.take(bytes) { return base + hole }
        let start = end
        end += bytes
        if end > held { grow() }
        return base + start
    }

    package mutating func give(_ address: Int, _ bytes: Int) {
        live -= bytes
        let start = address - base
        if start + bytes == end {
            end = holes.removeLast(endingAt: start) ?? start
        } else {
            holes.insert(start..<(start + bytes))
        }
    }

    package var statistics: TensorMemory {
        TensorMemory(liveBytes: live, peakLiveBytes: peakLive, heldBytes: held, systemAllocations: growths)
    }

    private mutating func grow() {
        let target = (end + HeapZone.page - 1) / HeapZone.page * HeapZone.page
        let status = target <= reserved
            ? mprotect(UnsafeMutableRawPointer(bitPattern: base + held), target - held, PROT_READ | PROT_WRITE) : -1
        // Not a precondition: its message would not be printed in an optimised build, and there is nobody to hand an error to.
        if status != 0 { fatalError("out of memory: \(end) bytes for tensors") }
        held = target
        growths += 1
    }
}
