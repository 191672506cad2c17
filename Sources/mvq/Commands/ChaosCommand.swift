import ArgumentParser
import Chaos
import CommandSupport
import Fleet
import Foundation
import Telemetry

/// `mvq chaos`.
struct ChaosCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos", abstract: "Runs the fault catalogue on this machine: real processes, real faults, and the same bits in the end.",
        discussion: """
            Every row starts coordinators and workers of this build on a tiny model, does something bad to them, and compares journal and weights
            with those of an undisturbed run, digest by digest; then mvq audit must hold. Rows that this machine cannot run are reported as skipped,
            with the reason. The seed decides about places and sizes of the faults.

            Some rows need root (network namespaces, small file systems, memory limits), a C compiler, or BLAS kernels to choose from.

            Exit codes: 0 every row that was run passed, 70 one failed; the command that runs it again is printed.

              mvq chaos --list
              mvq chaos --short                 # all rows, a few minutes
              mvq chaos --row 3 --seed 7
              mvq chaos --row 35 --minutes 60   # the soak
            """)

    @Flag(help: "Say what the rows are, and whether they can be run here.") var list = false
    @Option(help: ArgumentHelp("Run this row; may be repeated (default: all).", valueName: "number")) var row: [Int] = []
    @Option(help: "Of all draws.") var seed: UInt64 = 1
    @Flag(help: "Fewer and shorter cases.") var short = false
    @Option(help: ArgumentHelp("How long row 35 lasts; without, it is skipped.", valueName: "minutes")) var minutes: Double?
    @Option(help: ArgumentHelp("Keep everything in this absent or empty folder: runs, logs, configurations.", valueName: "dir")) var keep: String?
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Print a table for documents.") var markdown = false

    func validate() throws {
        for number in row where Catalogue.row(number) == nil {
            throw ValidationError("--row is \(number); rows are 0 to \(Catalogue.rows.count - 1), see mvq chaos --list")
        }
        if let minutes, !(0.1...1e5).contains(minutes) { throw ValidationError("--minutes is \(minutes); it must be 0.1 to 100000") }
        guard !(json && markdown) else { throw ValidationError("give either --json or --markdown") }
    }

    func run() throws {
        let form = Drill.Form(isShort: short, soakMinutes: minutes)
        let rows = row.isEmpty ? Catalogue.rows : row.compactMap { Catalogue.row($0) }
        if list { return printList(rows, form) }
        let folder = keep ?? FileManager.default.temporaryDirectory.appendingPathComponent("mvq-chaos-\(ProcessInfo.processInfo.processIdentifier)").path
        let signals = TerminationSignals { _ in
            Drills.killAll()
            if keep == nil { try? FileManager.default.removeItem(atPath: folder) }
            _exit(Fleet.ExitCode.preempted)
        }
        defer { if keep == nil { try? FileManager.default.removeItem(atPath: folder) } }
        let site = try Drills.site(in: folder)
        var results: [RowResult] = []
        withExtendedLifetime(signals) {
            for row in rows {
                let result = row.run(at: site, seed: seed, form: form, keeps: keep != nil)
                results.append(result)
                StandardError.write(progress(result) + "\n")
            }
        }
        let report = ChaosReport(results, seed: seed, form: form)
        if json {
            try printJSON(report)
        } else {
            print(markdown ? report.markdown : report.summary)
        }
        guard report.failed.isEmpty else {
            let again = report.failed.map { report.command(for: $0) }.joined(separator: "; ")
            throw FleetExit(exitCode: Fleet.ExitCode.software, text: "rows \(report.failed.map { "\($0.row)" }.joined(separator: ", ")) failed; again: \(again)")
        }
    }

    private func printList(_ rows: [FaultRow], _ form: Drill.Form) {
        for row in rows {
            let reason = row.reasonToSkip(form)
            print("\("\(row.number)".leftPadded(to: 2))  \(row.fault.padded(to: 52))\(reason.map { "skipped: \($0)" } ?? "runs here")")
            print("    \(row.injection) → \(row.expected)")
        }
    }

    private func progress(_ result: RowResult) -> String {
        let head = "row \("\(result.row)".leftPadded(to: 2))  \(result.fault.padded(to: 52))"
        let more = (result.omitted.map { "not run: \($0)" } + result.notes).joined(separator: "; ")
        switch result.outcome {
        case .passed: return head + "passed, \(result.cases.count) cases, \(result.seconds) s" + (more.isEmpty ? "" : "; \(more)")
        case .skipped: return head + "skipped: \(result.reason ?? "")"
        case .failed: return head + "FAILED after \(result.seconds) s: \(result.reason ?? "")"
        }
    }
}
