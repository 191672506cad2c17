import Foundation

extension CheckpointSummary {
    /// The summary as a JSON object with sorted keys, for `--json`.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The summary for people: state, totals, then one line a tensor.
    public var text: String {
        var lines = ["\(file)  \(formatBytes(bytes))  step \(step.map(String.init) ?? "unknown")"]
        switch integrity {
        case .verified: lines.append("digests: verified against the manifest")
        case .manifestAbsent: lines.append("digests: verified; manifest: absent (copy the .json along with the .h5)")
        case .damaged: lines.append("digests: DAMAGED: \(damage ?? "unknown")")
        }
        lines += section("state", state.keys.sorted().map { [$0, state[$0].map(Self.short) ?? ""] }, numeric: [])
        let totalHeader = ["", "tensors", "parameters", "size"]
        func rows(_ totals: [Total]) -> [[String]] {
            totals.map { [$0.name, "\($0.tensors)", Self.grouped($0.parameters), formatBytes($0.bytes)] }
        }
        lines += section("groups", [totalHeader] + rows(groups), numeric: [1, 2, 3])
        lines += section("modules of /model", [totalHeader] + rows(modules), numeric: [1, 2, 3])
        let tensorHeader = ["", "shape", "mean", "sd", "min", "max", "not finite"]
        lines += section("tensors", [tensorHeader] + tensors.map { tensor in
            [
                tensor.path, "[\(tensor.shape.map(String.init).joined(separator: ", "))]", Self.number(tensor.mean),
                Self.number(tensor.standardDeviation), Self.number(tensor.minimum.map(Double.init)),
                Self.number(tensor.maximum.map(Double.init)), tensor.nonFinite == 0 ? "" : "\(tensor.nonFinite)",
            ]
        }, numeric: [2, 3, 4, 5, 6])
        return lines.joined(separator: "\n") + "\n"
    }

    /// A title and rows in columns; columns named in `numeric` are flush right.
    private func section(_ title: String, _ rows: [[String]], numeric: Set<Int>) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        let lines = rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return numeric.contains(column) ? padding + cell : cell + padding
            }
            let line = "  " + cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
        return ["", title] + lines
    }

    /// A value on one line: long texts by their size.
    private static func short(_ value: AttributeValue) -> String {
        switch value {
        case .integer(let number): return "\(number)"
        case .double(let number): return "\(number)"
        case .string(let text):
            let lines = text.split(whereSeparator: \.isNewline)
            return lines.count <= 1 && text.count <= 100 ? text : "(\(lines.count) lines, \(text.utf8.count) bytes: see --json)"
        }
    }

    /// Four significant digits.
    private static func number(_ value: Double?) -> String {
        guard let value else { return "-" }
        return String(format: "%.4g", value)
    }

    /// `1,234,567`.
    private static func grouped(_ number: Int) -> String {
        var digits = Array(String(number))
        for position in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: position) }
        return String(digits)
    }
}
