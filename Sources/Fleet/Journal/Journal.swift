// The one file of Fleet that needs Foundation, for JSON. Reading and writing the file is somebody else's business.
internal import FoundationEssentials

/// The text of a journal: lines of JSON, each holding the digest of the line before, so that no line can change or vanish unseen.
public struct Journal: Sendable {
    /// The committed steps, in order.
    public private(set) var records: [JournalRecord] = []
    /// What was found after the last intact line, in words; nil for a clean end. Cut the file to `intactBytes` before appending.
    public private(set) var tornTail: String?
    /// UTF-8 length of all intact lines.
    public private(set) var intactBytes = 0
    private var previous: String
    private let digest: @Sendable (String) -> String

    /// An empty journal.
    /// - Parameter digest: the digest of a line, e.g. SHA-256 in hexadecimal.
    public init(digest: @escaping @Sendable (String) -> String) {
        self.digest = digest
        previous = digest("")
    }

    /// Reads and verifies a whole journal. A last line that is torn (a crash while it was written) is reported in `tornTail`;
    /// damage anywhere else is an error that names the line.
    public init(reading text: String, digest: @escaping @Sendable (String) -> String) throws(JournalError) {
        self.init(digest: digest)
        let bytes = Array(text.utf8)
        var start = 0
        var number = 0
        while start < bytes.count {
            number += 1
            guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else {
                tornTail = "line \(number) has no end: \(bytes.count - start) bytes"
                return
            }
            let line = String(decoding: bytes[start..<end], as: UTF8.self)
            do {
                try accept(line, number: number)
            } catch {
                guard end == bytes.count - 1, case .unreadable = error else { throw error }
                tornTail = error.description
                return
            }
            start = end + 1
            intactBytes = start
        }
    }

    /// Adds a committed step: fills in `previous`, and returns the line to append to the file, with its newline.
    public mutating func append(_ record: JournalRecord) -> String {
        if let last = records.last {
            precondition(record.step == last.step + 1, "step \(record.step) cannot follow step \(last.step) in the journal")
        }
        var record = record
        record.previous = previous
        let line = Journal.line(of: record)
        records.append(record)
        previous = digest(line)
        intactBytes += line.utf8.count + 1
        return line + "\n"
    }

    private mutating func accept(_ line: String, number: Int) throws(JournalError) {
        let record: JournalRecord
        do {
            let decoder = JSONDecoder()
            decoder.nonConformingFloatDecodingStrategy = .convertFromString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            record = try decoder.decode(JournalRecord.self, from: Data(line.utf8))
        } catch {
            throw .unreadable(line: number, bytes: line.utf8.count)
        }
        guard record.previous == previous else { throw .brokenChain(line: number) }
        guard (0...JournalRecord.largestStep).contains(record.step) else { throw .impossibleStep(line: number, step: record.step) }
        if let last = records.last, record.step != last.step + 1 {
            throw .wrongStep(line: number, step: record.step, expected: last.step + 1)
        }
        records.append(record)
        previous = digest(line)
    }

    private static func line(of record: JournalRecord) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            return String(decoding: try encoder.encode(record), as: UTF8.self)
        } catch {
            preconditionFailure("a journal record of step \(record.step) cannot be written: \(error)")
        }
    }
}

/// Damage in a journal.
public enum JournalError: ExitCoded, Equatable, CustomStringConvertible {
    case unreadable(line: Int, bytes: Int)
    case brokenChain(line: Int)
    case wrongStep(line: Int, step: Int, expected: Int)
    case impossibleStep(line: Int, step: Int)

    public var exitCode: Int32 { ExitCode.replayMismatch }

    public var description: String {
        switch self {
        case .unreadable(let line, let bytes):
            "journal line \(line) (\(bytes) bytes) cannot be read; restore journal.jsonl from a copy, or start a new run"
        case .brokenChain(let line):
            "journal line \(line) does not follow the line before it; one of the two was changed: restore journal.jsonl from a copy"
        case .wrongStep(let line, let step, let expected):
            "journal line \(line) holds step \(step) instead of \(expected); restore journal.jsonl from a copy"
        case .impossibleStep(let line, let step):
            "journal line \(line) holds step \(step), which no run has; restore journal.jsonl from a copy"
        }
    }
}
