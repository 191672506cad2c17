/// The marker structure of a JPEG file, as far as needed to tell a whole file from a truncated one.
enum JPEGMarkers {
    /// Whether the end-of-image marker comes up when the file is walked segment by segment. An end marker inside a
    /// segment, such as that of a thumbnail, does not count.
    static func reachEnd(of bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 2
        while position + 1 < bytes.count {
            guard bytes[position] == 0xFF else {
                position += 1  // entropy-coded data, or stray bytes between markers
                continue
            }
            switch bytes[position + 1] {
            case 0xD9: return true
            case 0xFF: position += 1  // fill byte
            case 0x00, 0x01, 0xD0...0xD8: position += 2  // stuffed zero or marker without a segment
            default:
                guard position + 3 < bytes.count else { return false }
                position += 2 + (Int(bytes[position + 2]) << 8 | Int(bytes[position + 3]))
            }
        }
        return false
    }
}
