import Checkpoints

/// What a file of weights holds, held against what a network needs: every array of both sides is in exactly one list.
public struct ImportReport: Sendable, Encodable, Equatable {
    /// An array that was found as it must be.
    public struct Match: Sendable, Encodable, Equatable {
        /// Its name in the foreign file.
        public let name: String
        public let shape: [Int]
        /// Element type in the foreign file.
        public let type: String
        /// Our names; several share the rows.
        public let targets: [String]
    }

    /// An array that no file has, under the name it was looked for.
    public struct Missing: Sendable, Encodable, Equatable {
        public let name: String
        public let shape: [Int]
        public let targets: [String]
    }

    /// An array of the right name that cannot be used.
    public struct Misfit: Sendable, Encodable, Equatable {
        public let name: String
        public let shape: [Int]
        public let type: String
        public let neededShape: [Int]
    }

    /// An array that the network does not need.
    public struct Extra: Sendable, Encodable, Equatable {
        public let name: String
        public let shape: [Int]
        public let type: String
        /// Why it is fine that it is there; nil for one that is not known.
        public let reason: String?
    }

    /// A part that the files do not have, and what stands in for it.
    public struct Absence: Sendable, Encodable, Equatable {
        public let part: String
        public let substitute: String
    }

    public let kind: PretrainedKind
    public let files: [String]
    /// Parts found, with whose names they have: `weights: MergeVQ`.
    public let spellings: [String]
    public let matched: [Match]
    public let missing: [Missing]
    public let misfits: [Misfit]
    public let extras: [Extra]
    public let absent: [Absence]

    /// Extra arrays that nobody knows: perhaps the file is of another network.
    public var unknown: [Extra] { extras.filter { $0.reason == nil } }
    /// Whether the weights can be imported.
    public var isComplete: Bool { missing.isEmpty && misfits.isEmpty && unknown.isEmpty }

    /// What is wrong, in half a line: counts, and the first of each kind by name.
    public var summary: String {
        func phrase(_ count: Int, _ what: String, _ first: String?) -> String? { first.map { "\(count) \(what) (\(count > 1 ? "first " : "")\($0))" } }
        return [
            phrase(missing.count, missing.count == 1 ? "array is missing" : "arrays are missing", missing.first.map { "\($0.name) \($0.shape)" }),
            phrase(
                misfits.count, misfits.count == 1 ? "has a wrong shape or type" : "have wrong shapes or types",
                misfits.first.map { "\(printable($0.name)) is \($0.type) \($0.shape), must be a float \($0.neededShape)" }),
            phrase(unknown.count, unknown.count == 1 ? "is unknown" : "are unknown", unknown.first.map { "\(printable($0.name)) \($0.shape)" }),
        ].compactMap { $0 }.joined(separator: ", ")
    }

    /// The whole comparison as a table.
    public var text: String {
        var lines = ["\(kind.title) from \(files.joined(separator: ", "))"]
        lines += spellings.map { "  \($0)" }
        func section(_ title: String, _ rows: [[String]]) {
            guard !rows.isEmpty else { return }
            lines += ["", "\(title): \(rows.count)"]
            let widths = (0..<rows[0].count).map { column in rows.map { $0[column].count }.max() ?? 0 }
            for row in rows {
                var line = "  " + zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
                while line.last == " " { line.removeLast() }
                lines.append(line)
            }
        }
        section(
            "found",
            matched.map { [printable($0.name), "\($0.shape)", $0.type, $0.targets == [$0.name] ? "" : "→ " + $0.targets.joined(separator: ", ")] })
        section("not in the file, replaced", absent.map { [$0.part, "by \($0.substitute)"] })
        section("not needed, left out", extras.filter { $0.reason != nil }.map { [printable($0.name), "\($0.shape)", $0.type, $0.reason ?? ""] })
        section("MISSING", missing.map { [$0.name, "\($0.shape)", $0.targets == [$0.name] ? "" : "→ " + $0.targets.joined(separator: ", ")] })
        section("WRONG SHAPE OR TYPE", misfits.map { [printable($0.name), "is \($0.type) \($0.shape)", "must be a float \($0.neededShape)"] })
        section("UNKNOWN", unknown.map { [printable($0.name), "\($0.shape)", $0.type] })
        return lines.joined(separator: "\n")
    }
}
