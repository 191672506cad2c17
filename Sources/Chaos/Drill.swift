import Foundation
import TensorCore

/// One row being run: its seed's draws, its fleets, and what was seen. A row is a number of cases, each with a fleet of its own.
public final class Drill {
    /// How much is run.
    public struct Form: Sendable {
        /// Fewer and shorter cases, for every change.
        public var isShort: Bool
        /// How long the soak lasts; nil leaves it out.
        public var soakMinutes: Double?

        public init(isShort: Bool = false, soakMinutes: Double? = nil) {
            self.isShort = isShort
            self.soakMinutes = soakMinutes
        }
    }

    let site: DrillSite
    let form: Form
    let seed: UInt64
    /// Called with the name of each case when it begins.
    private let progress: (String) -> Void
    /// Whether the folders of runs stay.
    private let keeps: Bool
    private let random: Philox
    private var draws = 0
    /// Names of the cases that ended well.
    private(set) var passed: [String] = []
    /// Cases that this machine cannot run, with the reason.
    private(set) var omitted: [String] = []
    /// What else is worth knowing, e.g. how often something happened.
    private(set) var notes: [String] = []

    init(_ site: DrillSite, row: Int, seed: UInt64, form: Form, keeps: Bool, progress: @escaping (String) -> Void) {
        self.site = site
        self.form = form
        self.seed = seed
        self.keeps = keeps
        self.progress = progress
        random = Philox(seed: seed, domain: "chaos row \(row)")
    }

    /// The next draw of the seed.
    func integer(_ range: ClosedRange<Int>) -> Int {
        draws += 1
        return range.lowerBound + random.integer(below: range.count, draw: draws)
    }

    /// Uniform in [0, 1).
    func fraction() -> Double {
        draws += 1
        return random.uniform(draw: draws)
    }

    /// Notes something for the report.
    func note(_ text: String) { notes.append(text) }

    /// Notes a case that cannot be run here.
    func omit(_ name: String, because reason: String) { omitted.append("\(name): \(reason)") }

    /// Runs a case on a new run, or on a given one, and compares the outcome with the undisturbed run.
    ///
    /// - Parameters:
    ///   - isCompared: whether the run ends as the undisturbed one does.
    /// - Throws: `ChaosFailure` naming the case.
    func run(
        _ name: String, on run: RunFolder? = nil, variant: DrillSite.Variant = .small, steps: Int? = nil, isCompared: Bool = true,
        _ body: (DrillFleet) throws -> Void
    ) throws {
        let reference = try site.reference(variant)
        progress(name)
        let folder = try run ?? site.run((name as NSString).lastPathComponent.replacingOccurrences(of: " ", with: "-"), variant, steps: steps)
        let fleet = DrillFleet(folder, site)
        defer {
            fleet.killAll()
            if !keeps { try? FileManager.default.removeItem(atPath: folder.path) }
        }
        do {
            try body(fleet)
            if isCompared { try Oracle.requireEqual(folder, to: reference) }
        } catch {
            throw ChaosFailure("\(name): \(error)")
        }
        passed.append(name)
    }

    /// An error unless something holds.
    func require(_ condition: Bool, _ what: @autoclosure () throws -> String) throws {
        if !condition { throw ChaosFailure(try what()) }
    }
}
