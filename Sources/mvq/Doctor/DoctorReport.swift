import Fleet
import Foundation
import TensorCore
import Training

/// Whether this machine is fit to train, and everything that somebody who helps from afar asks for.
struct DoctorReport: Encodable {
    struct CPU: Encodable {
        let name: String
        let vendor: String
        let family: Int
        let model: Int
        /// The highest level of x86-64 that it runs, e.g. `x86-64-v4`.
        let level: String
    }

    struct BLAS: Encodable {
        let library: String
        let kernelFamily: String
        /// Of this CPU.
        let fastestFamily: String?
        /// What the environment says, by the user or, if that was nothing, by mvq itself.
        let requestedFamily: String?
        /// sgemm, 1024³ products, on one thread and one a core.
        let gflopsOneThread: Double
        let gflopsAllCores: Double
    }

    struct Build: Encodable {
        let version: String
        let compiler: String
        let level: String
        let isOptimised: Bool
    }

    let cpu: CPU
    let system: SystemFacts
    let blas: BLAS
    let numericClass: String
    let build: Build
    let libraries: [LinkedLibraries.Library]
    let run: RunFolder?
    /// What keeps mvq from running here, and what only costs time; each with its mend.
    let problems: [String]
    let notes: [String]
    let exitCode: Int32

    init(run path: String?) {
        let identity = CPUIdentity.current
        let level = identity.features.contains(.avx512) ? "x86-64-v4" : NumericEnvironment.level
        cpu = CPU(name: identity.name, vendor: identity.vendor, family: identity.family, model: identity.model, level: level)
        let system = SystemFacts()
        self.system = system
        let blas = BLAS(
            library: NumericEnvironment.library, kernelFamily: NumericEnvironment.kernelFamily,
            fastestFamily: NumericEnvironment.fastestFamily, requestedFamily: NumericEnvironment.requestedFamily,
            gflopsOneThread: DoctorReport.sgemm(threads: 1), gflopsAllCores: DoctorReport.sgemm(threads: system.cores))
        self.blas = blas
        numericClass = NumericEnvironment.numericClass
        build = Build(
            version: BuildVersion.current, compiler: NumericEnvironment.compiler, level: NumericEnvironment.level,
            isOptimised: DoctorReport.isOptimised)
        libraries = LinkedLibraries.all
        let run = path.map(RunFolder.init)
        self.run = run

        let disk = run.flatMap(DoctorReport.problem)
        let other = DoctorReport.problems(system)
        problems = other + (disk.map { [$0] } ?? [])
        exitCode = !other.isEmpty ? ExitCode.configuration : disk != nil ? ExitCode.disk : ExitCode.done
        notes = DoctorReport.notes(blas) + DoctorReport.notes(system) + (run.map(DoctorReport.notes) ?? [])
            + (build.isOptimised ? [] : ["this is a debug build, many times slower; build with 'swift build -c release'"])
    }

    private static var isOptimised: Bool {
        #if DEBUG
        return false
        #else
        return true
        #endif
    }

    private static func sgemm(threads: Int) -> Double {
        var peak = SgemmPeak(pool: ThreadPool(threads: threads))
        peak.measure()
        return peak.gflops
    }

    private static let gibibyte = 1 << 30

    private static func problems(_ system: SystemFacts) -> [String] {
        var problems: [String] = []
        if (1..<gibibyte).contains(system.availableMemoryBytes) {
            problems.append("less than 1 GiB of memory is free; end other programs, or use another machine")
        }
        if (1..<64).contains(system.openFiles) {
            problems.append("a process may open only \(system.openFiles) files; raise it with 'ulimit -n 4096'")
        }
        return problems
    }

    private static func problem(_ run: RunFolder) -> String? {
        if !run.isWritable { return "\(run.path) cannot be written; give a folder of yours" }
        if run.freeBytes < gibibyte { return "\(run.path) has less than 1 GiB free; make room, or use another disk" }
        return nil
    }

    private static func notes(_ blas: BLAS) -> [String] {
        var notes: [String] = []
        let variable = NumericEnvironment.familyVariable
        if let requested = blas.requestedFamily, requested.lowercased() != blas.kernelFamily.lowercased() {
            notes.append(
                "\(variable) is '\(requested)', but the library uses its \(blas.kernelFamily) kernels; unset it, or give a family that it has")
        } else if let fastest = blas.fastestFamily, fastest != blas.kernelFamily {
            notes.append(
                NumericEnvironment.libraryHasFamilies
                    ? "\(fastest) kernels are the fastest of this CPU; unset \(variable), unless the run is shared with CPUs that need"
                        + " \(blas.kernelFamily)"
                    : "this OpenBLAS has no kernels but \(blas.kernelFamily); \(fastest) are the fastest of this CPU: install a library built"
                        + " with DYNAMIC_ARCH, e.g. Debian's libopenblas0-pthread")
        }
        return notes
    }

    private static func notes(_ system: SystemFacts) -> [String] {
        var notes: [String] = []
        if system.hugePages == "never" {
            notes.append(
                "huge pages are off, which slows memory-bound operations; as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
        }
        if (gibibyte..<4 * gibibyte).contains(system.availableMemoryBytes) {
            notes.append("less than 4 GiB of memory is free; full-size models take about 3 GiB for one image")
        }
        if (64..<1024).contains(system.openFiles) {
            notes.append("a process may open \(system.openFiles) files; a coordinator needs two for every worker: 'ulimit -n 4096'")
        }
        if system.loadAverage > 0.5 * Double(system.cores) {
            notes.append(String(format: "other programs compute (load %.1f on %d cores): sgemm figures are low", system.loadAverage, system.cores))
        }
        return notes
    }

    private static func notes(_ run: RunFolder) -> [String] {
        run.isWritable && (gibibyte..<10 * gibibyte).contains(run.freeBytes)
            ? ["\(run.path) has less than 10 GiB free; four checkpoints of a full-size model fill that"] : []
    }
}
