import Checksums
import Testing

@Suite struct ChecksumsTests {
    /// NIST's example values.
    @Test func sha256OfKnownMessages() {
        #expect(SHA256.digest(of: "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SHA256.digest(of: "") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test func sha256InPiecesIsThatOfTheWhole() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let whole = bytes.withUnsafeBytes { SHA256.digest(of: $0) }
        let hash = SHA256()
        bytes.withUnsafeBytes { all in
            for start in stride(from: 0, to: 1000, by: 13) {
                hash.update(UnsafeRawBufferPointer(rebasing: all[start..<min(1000, start + 13)]))
            }
        }
        #expect(hash.finish() == whole)
    }

    /// RFC 3720 appendix B.4.
    @Test func crc32cOfKnownMessages() {
        func crc(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32C.checksum($0) } }
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(crc([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(crc(Array(0..<32)) == 0x46DD_794E)
        #expect(crc(Array("123456789".utf8)) == 0xE306_9283)
    }

    /// The CPU's instruction in lanes against tables: every length around the joints, from every alignment.
    @Test func crc32cHasOneValueByInstructionAndByTables() {
        let bytes = (0..<20_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) }
        var different: [Range<Int>] = []
        bytes.withUnsafeBytes { all in
            for length in [0, 1, 7, 8, 9, 6143, 6144, 6145, 6151, 12_287, 12_288, 12_296, 19_990] {
                for start in 0..<10 {
                    let part = UnsafeRawBufferPointer(rebasing: all[start..<start + length])
                    if CRC32C.checksum(part) != CRC32C.checksumByTables(part) { different.append(start..<start + length) }
                }
            }
        }
        #expect(different.isEmpty)
    }

    @Test func crc32cContinuesFromASeed() {
        let bytes = Array("a message in two parts".utf8)
        let whole = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        let joined = bytes.withUnsafeBytes { all -> UInt32 in
            let first = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[..<9]))
            return CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[9...]), seed: first)
        }
        #expect(joined == whole)
    }
}
