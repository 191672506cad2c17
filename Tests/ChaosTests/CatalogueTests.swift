import Chaos
import Foundation
import Testing

/// The rows of the fault catalogue in their short form: what `mvq chaos --short` runs, each row a test. Rows that this machine cannot run are skipped
/// with the reason.
@Suite(.serialized, .site) struct CatalogueTests {
    static let form = Drill.Form(isShort: true)
    static let seed: UInt64 = 1

    @Test func rowsAreNumberedAsInTheCatalogue() { #expect(Catalogue.rows.map(\.number) == Array(0...36)) }

    @Test(.row(0)) func row00AnyNumberOfWorkers() throws { try run(0) }
    @Test(.row(1)) func row01WorkerKilled() throws { try run(1) }
    @Test(.row(2)) func row02AllWorkersKilled() throws { try run(2) }
    @Test(.row(3)) func row03CoordinatorKilled() throws { try run(3) }
    @Test(.row(4)) func row04PowerCut() throws { try run(4) }
    @Test(.row(5)) func row05TornJournal() throws { try run(5) }
    @Test(.row(6)) func row06WorkerStopped() throws { try run(6) }
    @Test(.row(7)) func row07CoordinatorStopped() throws { try run(7) }
    @Test(.row(8)) func row08Partition() throws { try run(8) }
    @Test(.row(9)) func row09HalfOpenConnections() throws { try run(9) }
    @Test(.row(10)) func row10BadLinks() throws { try run(10) }
    @Test(.row(11)) func row11TwoCoordinators() throws { try run(11) }
    @Test(.row(12)) func row12OldCoordinatorWakes() throws { try run(12) }
    @Test(.row(13)) func row13SlowWorker() throws { try run(13) }
    @Test(.row(14)) func row14FlappingWorker() throws { try run(14) }
    @Test(.row(15)) func row15JoinStorm() throws { try run(15) }
    @Test(.row(16)) func row16Replay() throws { try run(16) }
    @Test(.row(17)) func row17Malformed() throws { try run(17) }
    @Test(.row(18)) func row18Oversized() throws { try run(18) }
    @Test(.row(19)) func row19OtherProtocolConfigurationData() throws { try run(19) }
    @Test(.row(20)) func row20WrongKey() throws { try run(20) }
    @Test(.row(21)) func row21SpoofedSession() throws { try run(21) }
    @Test(.row(22)) func row22OtherNumericClass() throws { try run(22) }
    @Test(.row(23)) func row23FlippedBit() throws { try run(23) }
    @Test(.row(24)) func row24NotFinite() throws { try run(24) }
    @Test(.row(25)) func row25DiskFull() throws { try run(25) }
    @Test(.row(26)) func row26DiskFails() throws { try run(26) }
    @Test(.row(27)) func row27DamagedCheckpoint() throws { try run(27) }
    @Test(.row(28)) func row28KilledWhilePublishing() throws { try run(28) }
    @Test(.row(29)) func row29ClockJumps() throws { try run(29) }
    @Test(.row(30)) func row30Terminated() throws { try run(30) }
    @Test(.row(31)) func row31CorruptImage() throws { try run(31) }
    @Test(.row(32)) func row32Limits() throws { try run(32) }
    @Test(.row(33)) func row33Poison() throws { try run(33) }
    @Test(.row(34)) func row34WorkerUpgraded() throws { try run(34) }
    @Test(.row(35)) func row35Soak() throws { try run(35) }
    @Test(.row(36)) func row36WorkerWalk() throws { try run(36) }

    private func run(_ number: Int) throws {
        let row = try #require(Catalogue.row(number))
        let result = row.run(at: try #require(Site.current).drills, seed: Self.seed, form: Self.form)
        // A row whose cases were all left out is skipped by its trait already.
        #expect(result.outcome == .passed, "seed \(Self.seed): \(result.reason ?? "")")
        #expect(!result.cases.isEmpty)
        for reason in result.omitted { print("row \(number), not run here: \(reason)") }
    }
}

/// The site of this test run.
final class Site: @unchecked Sendable {
    // Sendable: the suite is serialized, one test at a time uses it.
    @TaskLocal static var current: Site?

    let drills: DrillSite
    private let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("mvq-drills-\(UUID().uuidString)").path
        drills = try Drills.site(in: folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

/// Makes a site for a suite and removes it afterwards.
struct SiteTrait: SuiteTrait, TestScoping {
    func provideScope(for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void) async throws {
        try await Site.$current.withValue(try Site()) { try await function() }
    }
}

extension Trait where Self == SiteTrait {
    static var site: Self { SiteTrait() }
}

extension Trait where Self == ConditionTrait {
    /// Skips a row that cannot be run here, with the reason.
    static func row(_ number: Int) -> Self {
        let reason = Catalogue.row(number)?.reasonToSkip(CatalogueTests.form)
        return .enabled(if: reason == nil, "\(reason ?? "")")
    }
}
