import Checksums
import Generators
import Testing
import Training

/// One record: what is valid, and its bytes.
@Suite struct TokenRecordTests {
    private func sample() throws -> TokenRecord {
        try TokenRecord(image: 70_000, view: 1, label: 259, codes: [5, 262_143, 7], owners: [0, 1, 0, 2])
    }

    @Test func expandsCodesToCells() throws {
        let record = try sample()
        #expect(record.kept == 3 && record.cells == 4)
        #expect(record.expandedCodes == [5, 262_143, 5, 7])
    }

    /// The layout, byte by byte; the checksum over all bytes before it.
    @Test func bytesAreLittleEndian() throws {
        let body: [UInt8] = [
            1, 1, 3, 1, 3, 0, 4, 0, 0x70, 0x11, 1, 0,
            5, 0, 0, 0, 0xFF, 0xFF, 3, 0, 7, 0, 0, 0,
            0, 0, 1, 0, 0, 0, 2, 0,
        ]
        let checksum = body.withUnsafeBytes { CRC32C.checksum($0) }
        let expected = body + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
        #expect(try sample().bytes == expected)
        #expect(try TokenRecord(bytes: expected) == sample())
    }

    @Test func everyWrongBitAndEveryWrongLengthIsNoticed() throws {
        let bytes = try sample().bytes
        for bit in 0..<(8 * bytes.count) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: TokenRecordError.self, "bit \(bit)") { try TokenRecord(bytes: damaged) }
        }
        for length in 0..<bytes.count {
            #expect(throws: TokenRecordError.self, "\(length) bytes") { try TokenRecord(bytes: Array(bytes.prefix(length))) }
        }
        #expect(throws: TokenRecordError.self) { try TokenRecord(bytes: bytes + [0]) }
    }

    @Test func refusesWhatNoTokenizerMakes() {
        func problem(_ owners: [UInt16]) -> TokenRecordError? {
            do throws(TokenRecordError) {
                _ = try TokenRecord(image: 0, view: 0, label: 0, codes: [1, 2, 3], owners: owners)
                return nil
            } catch { return error }
        }
        #expect(problem([0, 1, 2, 3]) == .ownerOutside(cell: 3, owner: 3, kept: 3))
        #expect(problem([0, 2, 1, 1]) == .slotsOutOfOrder(cell: 1, owner: 2, next: 1))
        #expect(problem([1, 0, 2, 0]) == .slotsOutOfOrder(cell: 0, owner: 1, next: 0))
        #expect(problem([0, 1, 0, 1]) == .slotWithoutCell(2))
        #expect(problem([0, 0, 1, 2]) == nil)
    }

    /// A record with valid checksum is still refused if its content is not valid: what a faulty program would send.
    @Test func aValidChecksumIsNotEnough() throws {
        var body = try Array(sample().bytes.dropLast(4))
        body[28] = 9
        let checksum = body.withUnsafeBytes { CRC32C.checksum($0) }
        let bytes = body + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
        #expect(throws: TokenRecordError.ownerOutside(cell: 2, owner: 9, kept: 3)) { try TokenRecord(bytes: bytes) }
    }
}
