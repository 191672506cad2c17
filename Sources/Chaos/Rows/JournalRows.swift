import Fleet
import Foundation

/// Damage in `journal.jsonl`.
enum JournalRows {
    static let tornTail = FaultRow(
        5, "Torn journal", injection: "the last line cut at drawn bytes; a byte changed in the middle",
        expected: "a torn last line is cut off and its step done again; damage elsewhere ends the coordinator with 67 and the line"
    ) { drill in
        let reference = try drill.site.reference(.small)
        let line = reference.journalText.dropLast().split(separator: "\n").last?.utf8.count ?? 0
        // Of the line and its end: nothing, one byte, drawn ones, all but the end.
        let kept = [1, line] + (0..<(drill.form.isShort ? 1 : 8)).map { _ in drill.integer(2...line - 1) }
        for bytes in kept {
            let copy = try reference.copy(to: drill.site.path("torn"))
            try copy.removeCheckpoint(copy.steps)
            try copy.rewrite("\(copy.path)/journal.jsonl") { $0.removeLast(line + 1 - bytes) }
            try drill.run("last line cut to \(bytes) of \(line + 1) bytes", on: copy) { fleet in
                let coordinator = try fleet.start()
                try drill.require(coordinator.says("resuming from step 20"), coordinator.tail)
                try fleet.finish([try fleet.worker(hasData: true, failpoints: nil)])
            }
        }
        let damaged = drill.integer(2...20)
        let copy = try reference.copy(to: drill.site.path("changed"))
        try copy.removeCheckpoint(copy.steps)
        try copy.rewrite("\(copy.path)/journal.jsonl") { bytes in
            let start = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }[damaged - 2] + 1
            bytes[start + drill.integer(20...line / 2)] ^= 1
        }
        try drill.run("a byte of line \(damaged) changed", on: copy, isCompared: false) { fleet in
            let coordinator = try fleet.launch()
            try coordinator.expectExit(67)
            // The changed line itself if it cannot be read any more, or the next one, whose digest of it is wrong.
            try drill.require(coordinator.says("journal line \(damaged) ") || coordinator.says("journal line \(damaged + 1) "), coordinator.tail)
        }
    }
}
