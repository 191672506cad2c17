import Foundation
import TensorCore

extension DoctorReport {
    /// One screen.
    var text: String {
        func gibibytes(_ bytes: Int) -> String { String(format: "%.1f GiB", Double(bytes) / 0x1p30) }
        var rows = [
            ("CPU", "\(cpu.name.isEmpty ? "unknown" : cpu.name) (\(cpu.vendor) family \(cpu.family), model \(cpu.model)), \(cpu.level)"),
            ("cores", String(format: "%d, load %.1f", system.cores, system.loadAverage)),
            ("memory", "\(gibibytes(system.memoryBytes)), \(gibibytes(system.availableMemoryBytes)) free"),
            ("huge pages", system.hugePages ?? "unknown"),
            ("open files", "\(system.openFiles)"),
            ("BLAS", "\(blas.library), \(blas.kernelFamily) kernels\(isFastest ? ", the fastest of this CPU" : "")"),
            (
                "sgemm",
                String(format: "%.0f GFLOP/s on one thread, %.0f on %d", blas.gflopsOneThread, blas.gflopsAllCores, system.cores)
            ),
            ("build", "mvq \(build.version), \(build.compiler), \(build.level), \(build.isOptimised ? "release" : "debug")"),
            ("numeric class", numericClass),
            ("libraries", libraries.map { "\($0.name) \($0.version)" }.joined(separator: ", ")),
        ]
        if let run { rows.append(("run folder", "\(run.path), \(gibibytes(run.freeBytes)) free")) }
        var lines = rows.map { $0.0.padded(to: 15) + $0.1 }
        lines.append("")
        lines += problems.map { "problem: \($0)" } + notes.map { "note: \($0)" }
        lines.append(problems.isEmpty ? "fit to run" : "not fit to run")
        return lines.joined(separator: "\n")
    }

    private var isFastest: Bool { blas.fastestFamily == blas.kernelFamily }
}
