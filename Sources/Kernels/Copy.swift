// A copy as fast as memory allows: what memory-bound operations are compared with.
internal import CFloat

/// out = a, past the caches; `out` must be aligned to 64 bytes, `count` a multiple of 16.
@inline(never)
package func copyStreaming(_ a: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int) {
    for line in 0..<(count / 16) { copy_line_streaming(a + 16 &* line, out + 16 &* line) }
    finish_streaming()
}
