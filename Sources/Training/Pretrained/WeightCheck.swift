import Checkpoints

/// Finds the arrays of a network among those of some files, without reading a number.
struct WeightCheck {
    /// An array to read and where it goes.
    struct Claim {
        let source: SourceArray
        /// The group in our file.
        let group: String
    }

    /// By name in the foreign files.
    let claims: [String: Claim]
    /// Titles of the parts that no file has.
    let absent: Set<String>
    let report: ImportReport

    /// - Throws: `PretrainedError.ambiguous` if two files hold an array that is needed.
    init(_ files: [(file: String, entries: [WeightEntry])], names: WeightNames) throws {
        var holders: [String: [String]] = [:]
        var entries: [String: WeightEntry] = [:]
        for (file, arrays) in files {
            for entry in arrays {
                holders[entry.name, default: []].append(file)
                entries[entry.name] = entry
            }
        }
        var claims: [String: Claim] = [:]
        var spellings: [String] = []
        var (matched, missing): ([ImportReport.Match], [ImportReport.Missing]) = ([], [])
        var (misfits, absent): ([ImportReport.Misfit], [ImportReport.Absence]) = ([], [])
        for part in names.parts {
            let (spelling, found) = WeightCheck.best(of: part, among: entries)
            if let substitute = part.substitute, found == 0 {
                absent.append(ImportReport.Absence(part: part.title, substitute: substitute))
                continue
            }
            if found > 0 { spellings.append("\(part.title): names of \(spelling.title)") }
            for source in spelling.arrays {
                guard let entry = entries[source.name] else {
                    missing.append(ImportReport.Missing(name: source.name, shape: source.shape, targets: source.targets))
                    continue
                }
                if let files = holders[source.name], files.count > 1 { throw PretrainedError.ambiguous(name: source.name, files: files) }
                claims[source.name] = Claim(source: source, group: part.group)
                if entry.shape == source.shape && entry.isFloat {
                    matched.append(ImportReport.Match(name: entry.name, shape: entry.shape, type: entry.type, targets: source.targets))
                } else {
                    misfits.append(ImportReport.Misfit(name: entry.name, shape: entry.shape, type: entry.type, neededShape: source.shape))
                }
            }
        }
        let extras = files.flatMap(\.entries).filter { claims[$0.name] == nil }.map { entry in
            let reason = names.harmless.first { $0.match(entry.name) }?.reason
            return ImportReport.Extra(name: entry.name, shape: entry.shape, type: entry.type, reason: reason)
        }
        self.claims = claims
        self.absent = Set(absent.map(\.part))
        report = ImportReport(
            kind: names.kind, files: files.map(\.file), spellings: spellings, matched: matched, missing: missing, misfits: misfits,
            extras: extras, absent: absent)
    }

    /// The spelling of which most names occur, the first of several.
    private static func best(of part: NetworkPart, among entries: [String: WeightEntry]) -> (Spelling, found: Int) {
        var best = (part.spellings[0], found: -1)
        for spelling in part.spellings {
            let found = spelling.arrays.count { entries[$0.name] != nil }
            if found > best.found { best = (spelling, found) }
        }
        return best
    }
}
