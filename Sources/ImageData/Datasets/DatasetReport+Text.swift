import Foundation

extension DatasetReport {
    /// The report as plain text; at most 20 files of each kind of problem are listed.
    public var text: String {
        var lines = [root]
        for split in splits {
            lines.append("")
            let (images, classes) = (Self.count(split.images, "image", "images"), Self.count(split.classes, "class", "classes"))
            lines.append("\(split.name): \(images) in \(classes), \(Self.size(split.bytes))")
            lines.append(Self.row("", "min", "median", "max"))
            lines.append(Self.row("images per class", split.imagesPerClass))
            lines.append(Self.row("width", split.width))
            lines.append(Self.row("height", split.height))
            lines.append("  colour \(split.colour), greyscale \(split.greyscale), unreadable \(split.unreadable.count)")
            lines.append("  fingerprint \(split.fingerprint)")
            lines += Self.list("unreadable", split.unreadable.map(\.message))
            lines += Self.list("decoded with a warning", split.warnings.map { "\($0.file): \($0.message)" })
            lines += Self.list("class folders without images", split.emptyClasses)
            lines += Self.list("class folders that train does not have", split.unknownClasses)
        }
        let depth = decoded ? "every image was decoded" : "only headers were read"
        lines += ["", isSound ? "sound: \(depth)" : "NOT sound: see above; \(depth)", ""]
        return lines.joined(separator: "\n")
    }

    private static func count(_ number: Int, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }

    private static func row(_ title: String, _ spread: Spread?) -> String {
        guard let spread else { return row(title, "-", "-", "-") }
        return row(title, String(spread.minimum), String(spread.median), String(spread.maximum))
    }

    private static func row(_ title: String, _ columns: String...) -> String {
        columns.reduce("  " + title + padding(18 - title.count)) { $0 + padding(8 - $1.count) + $1 }
    }

    private static func padding(_ count: Int) -> String { String(repeating: " ", count: max(count, 0)) }

    private static func list(_ title: String, _ entries: [String]) -> [String] {
        guard !entries.isEmpty else { return [] }
        let rest = entries.count > 20 ? ["    … and \(entries.count - 20) more"] : []
        return ["  \(title):"] + entries.prefix(20).map { "    \($0)" } + rest
    }

    /// Bytes in the unit that leaves one to three digits before the point.
    static func size(_ bytes: Int) -> String {
        if bytes < 1000 { return "\(bytes) B" }
        var value = Double(bytes)
        var unit = 0
        while value >= 999.95 && unit < 4 {
            value /= 1000
            unit += 1
        }
        return String(format: "%.1f ", value) + ["B", "kB", "MB", "GB", "TB"][unit]
    }
}
