import Fleet
import Testing

@Suite struct JournalTests {
    /// A weak digest is enough: the tests change lines by hand.
    static let digest: @Sendable (String) -> String = { text in
        String(text.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }, radix: 16)
    }

    static func record(_ step: Int) -> JournalRecord {
        JournalRecord(
            step: step, epoch: step / 2, values: ["lr": 1e-4, "loss": step == 2 ? .nan : 0.5 / Double(step + 1), "keptTokens": 144],
            gradientDigest: "g\(step)", weightsDigest: "w\(step)", samplesDigest: "s\(step)", auditHash: "a\(step)",
            blocks: [.init(session: SessionID(high: 1, low: 2), block: SlotBlock(level: 2, index: 1))])
    }

    static func text(_ steps: Int) -> String {
        var journal = Journal(digest: digest)
        return (0..<steps).map { journal.append(record($0)) }.joined()
    }

    @Test func whatIsWrittenIsRead() throws {
        let text = Self.text(4)
        var journal = try Journal(reading: text, digest: Self.digest)
        #expect(journal.records.map(\.step) == [0, 1, 2, 3])
        #expect(journal.records[1].values == Self.record(1).values)
        #expect(journal.records[2].values["loss"]?.isNaN == true)
        #expect(journal.records[0].blocks == Self.record(0).blocks)
        #expect(journal.tornTail == nil && journal.intactBytes == text.utf8.count)
        // Appending after reading continues the chain.
        #expect(text + journal.append(Self.record(4)) == Self.text(5))
    }

    @Test func keysAreSortedAndBlocksAreShort() {
        let line = Self.text(1)
        #expect(line.hasPrefix("{\"auditHash\":\"a0\",\"blocks\":[[\"00000000000000010000000000000002\",2,1]],\"epoch\":0,"))
        #expect(line.contains("\"values\":{\"keptTokens\":144,\"loss\":0.5,\"lr\":0.0001}"))
    }

    /// A crash while the last line was written: at every byte, the lines before it are read and the tail is reported.
    @Test func aTornLastLineIsToleratedAtEveryByte() throws {
        let whole = Array(Self.text(3).utf8)
        let intact = Self.text(2).utf8.count
        for length in intact..<whole.count {
            let journal = try Journal(reading: String(decoding: whole[..<length], as: UTF8.self), digest: Self.digest)
            #expect(journal.records.count == 2 && journal.intactBytes == intact)
            #expect((journal.tornTail == nil) == (length == intact))
        }
        let zeros = try Journal(reading: Self.text(2) + "\0\0\0\0\n", digest: Self.digest)
        #expect(zeros.records.count == 2 && zeros.tornTail != nil)
    }

    /// A line whose chain is intact and whose step cannot be: also at the end it is no torn line.
    @Test(arguments: [Int.max, -1]) func aForgedStepIsNamed(step: Int) throws {
        var journal = Journal(digest: Self.digest)
        var record = Self.record(0)
        record.step = step
        let text = journal.append(record)
        #expect(throws: JournalError.impossibleStep(line: 1, step: step)) { try Journal(reading: text, digest: Self.digest) }
    }

    @Test func damageInTheMiddleIsNamed() {
        var lines = Self.text(4).split(separator: "\n").map(String.init)
        func read() throws(JournalError) -> Journal { try Journal(reading: lines.joined(separator: "\n") + "\n", digest: Self.digest) }
        let good = lines
        lines[1] = lines[1].replacing("w1", with: "w9")
        #expect(throws: JournalError.brokenChain(line: 3)) { try read() }
        lines = good
        lines.remove(at: 2)
        #expect(throws: JournalError.brokenChain(line: 3)) { try read() }
        lines = good
        lines[1] = "{}"
        #expect(throws: JournalError.unreadable(line: 2, bytes: 2)) { try read() }
        let error = #expect(throws: JournalError.self) { try read() }
        #expect(error?.exitCode == 67 && error?.description.contains("line 2") == true)
    }
}
