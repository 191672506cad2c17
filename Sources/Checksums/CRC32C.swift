internal import CChecksums

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78).
///
/// On x86-64 by the CPU's instruction in three interleaved lanes (every CPU that runs our kernels has it), elsewhere eight bytes a step from tables.
public enum CRC32C {
    /// The checksum of `bytes`; `seed` is the checksum of what came before them.
    public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        #if arch(x86_64)
        ~advanceByInstruction(~seed, over: bytes)
        #else
        ~advanceByTables(~seed, over: bytes)
        #endif
    }

    #if arch(x86_64)
    /// Bytes of a lane: long enough for the joints not to count, short enough for the tail not to.
    private static let lane = 2048

    private static func advanceByInstruction(_ register: UInt32, over bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard var position = bytes.baseAddress else { return register }
        var (crc, left) = (register, bytes.count)
        while left >= 3 * lane {
            let lanes = crc32c_three_lanes(position, lane, crc)
            crc = appendLaneOfZeros(appendLaneOfZeros(lanes.first) ^ lanes.second) ^ lanes.third
            position += 3 * lane
            left -= 3 * lane
        }
        return crc32c_one_lane(position, left, crc)
    }

    /// laneOfZeros[k][b]: what becomes of byte k of the register, of value b, when `lane` zero bytes follow. The register is linear in its bits.
    private static let laneOfZeros: [UInt32] = {
        let bits = (0..<32).map { bit in
            var register = UInt32(1) << bit
            for _ in 0..<lane { register = (register >> 8) ^ tables[Int(register & 0xFF)] }
            return register
        }
        return (0..<4 * 256).map { entry in
            (0..<8).reduce(0) { sum, bit in entry >> bit & 1 == 1 ? sum ^ bits[8 * (entry >> 8) + bit] : sum }
        }
    }()

    private static func appendLaneOfZeros(_ register: UInt32) -> UInt32 {
        laneOfZeros.withUnsafeBufferPointer { table in
            table[Int(register & 0xFF)] ^ table[256 + Int(register >> 8 & 0xFF)] ^ table[512 + Int(register >> 16 & 0xFF)]
                ^ table[768 + Int(register >> 24)]
        }
    }
    #endif

    /// tables[k][b]: the register after byte b followed by k zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = (value >> 1) ^ (value & 1 == 1 ? 0x82F6_3B78 : 0) }
            tables[byte] = value
        }
        for table in 1..<8 {
            for byte in 0..<256 {
                let previous = tables[(table - 1) * 256 + byte]
                tables[table * 256 + byte] = (previous >> 8) ^ tables[Int(previous & 0xFF)]
            }
        }
        return tables
    }()

    private static func advanceByTables(_ register: UInt32, over bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var crc = register
            var index = 0
            while index &+ 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(crc)
                var next: UInt32 = 0
                for lane in 0..<8 {
                    next ^= table[(7 &- lane) &* 256 &+ Int((word >> UInt64(8 &* lane)) & 0xFF)]
                }
                crc = next
                index &+= 8
            }
            while index < bytes.count {
                crc = (crc >> 8) ^ table[Int((crc ^ UInt32(bytes[index])) & 0xFF)]
                index &+= 1
            }
            return crc
        }
    }

    /// The checksum without the CPU's instruction, for tests.
    package static func checksumByTables(_ bytes: UnsafeRawBufferPointer) -> UInt32 { ~advanceByTables(~0, over: bytes) }
}
