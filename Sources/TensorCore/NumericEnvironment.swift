internal import CBLAS
internal import CFloat

#if canImport(Glibc)
import Glibc
#endif

/// What decides the last bits of a result besides our own source: the BLAS library and its kernel family, the C library (logarithms and
/// exponentials of the losses), the CPU level this program was compiled for, and the compiler. A run has one numeric class; workers of another
/// class are refused.
public enum NumericEnvironment {
    /// The environment variable by which OpenBLAS is told its kernel family.
    public static let familyVariable = "OPENBLAS_CORETYPE"

    /// The kernel family that every x86-64 machine that can run this program can run: what mixed fleets set.
    public static let commonFamily = "Haswell"

    /// The fastest kernel family of a CPU.
    ///
    /// Without AVX-512 it is Haswell (AVX2). AMD's family 25 (Zen 4) executes AVX-512 in two halves: the Haswell kernels are 3 to 39 % faster
    /// (spec/performance.md). Family 26 (Zen 5) and Intel's AVX-512 servers have units of full width: SkylakeX products take half the time.
    public static func fastestFamily(vendor: String, family: Int, features: CPUIdentity.Features) -> String {
        guard features.contains(.avx512) else { return commonFamily }
        return vendor == "AuthenticAMD" && family <= 25 ? commonFamily : "SkylakeX"
    }

    /// The fastest kernel family of this machine; nil where the library's own choice is the only one we know.
    public static var fastestFamily: String? {
        #if arch(x86_64)
        let cpu = CPUIdentity.current
        return fastestFamily(vendor: cpu.vendor, family: cpu.family, features: cpu.features)
        #else
        return nil
        #endif
    }

    /// The kernel family that the environment asks for, if any: the user's, or after `prepare` ours.
    public static var requestedFamily: String? {
        getenv(familyVariable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Chooses the BLAS kernel family, if the user has not, and switches the library's own threading off. Must be the first thing a command
    /// does: the library reads these variables when it loads, so the program is started once again with them set.
    public static func prepare() {
        if requestedFamily == nil, let family = fastestFamily {
            setenv(familyVariable, family, 1)
            setenv("OPENBLAS_NUM_THREADS", "1", 1)
            execv("/proc/self/exe", CommandLine.unsafeArgv)
            // Only a failed execv returns; then the library's own choice of kernels stands, and the numeric class shows it.
        }
        useOneBLASThread()
    }

    /// Makes every BLAS call single-threaded; our own pool cuts the work.
    public static func useOneBLASThread() { openblas_set_num_threads(1) }

    /// Why this program cannot run on this CPU, or not with the kernel family that the user set; nil if it can.
    public static var missingCPUFeature: String? {
        guard cpu_runs_compiled_level() else {
            return "this CPU is not of the level \(level) that mvq was compiled for; run it on a newer machine"
                + (level == "x86-64-v4" ? ", or build it without MVQ_CPU_LEVEL" : " (AVX2 and FMA)")
        }
        #if arch(x86_64)
        return requestedFamily.flatMap { objection(to: $0, features: CPUIdentity.current.features) }
        #else
        return nil
        #endif
    }

    /// Why a CPU cannot run a kernel family; nil if it can. The library does not check: its first product would end the process.
    public static func objection(to family: String, features: CPUIdentity.Features) -> String? {
        let needsAVX512 = ["skylakex", "cooperlake", "sapphirerapids"].contains(family.lowercased())
        guard needsAVX512, !features.contains(.avx512) else { return nil }
        return "\(familyVariable)=\(family) asks for AVX-512 kernels, which this CPU cannot run; unset it, or set it to \(commonFamily)"
    }

    /// The kernel family that the BLAS library uses in this process, e.g. `Haswell`.
    public static var kernelFamily: String { openblas_get_corename().map { String(cString: $0) } ?? "unknown" }

    /// The BLAS library's words about itself: `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH … MAX_THREADS=64`.
    private static var configuration: [Substring] {
        openblas_get_config().map { String(cString: $0).split(separator: " ") } ?? ["OpenBLAS"]
    }

    /// Name and version of the BLAS library, e.g. `OpenBLAS 0.3.21`.
    public static var library: String { configuration.prefix(2).joined(separator: " ") }

    /// Whether the BLAS library holds kernels of several families to choose from.
    public static var libraryHasFamilies: Bool { configuration.contains("DYNAMIC_ARCH") }

    /// The CPU level this program was compiled for.
    public static var level: String { String(cString: compiled_cpu_level()) }

    /// The compiler that this program was built with, e.g. `Swift 6.3 (clang 21.0.0)`.
    public static var compiler: String {
        #if compiler(>=6.4)
        let version = "6.4 or later"
        #elseif compiler(>=6.3)
        let version = "6.3"
        #else
        let version = "6.2"
        #endif
        return "Swift \(version) (clang \(String(cString: compiler_description()).prefix { $0 != " " }))"
    }

    /// The C library, e.g. `glibc 2.36`.
    public static var systemLibrary: String {
        let version = String(cString: glibc_version())
        return version.isEmpty ? "unknown C library" : "glibc \(version)"
    }

    /// The numeric class, e.g. `OpenBLAS 0.3.21 Haswell, glibc 2.36, x86-64-v3, Swift 6.3 (clang 21.0.0)`.
    public static var numericClass: String { "\(library) \(kernelFamily), \(systemLibrary), \(level), \(compiler)" }

    /// What to do on a machine of another class than a run's, for its error message.
    public static func mend(forClass numericClass: String) -> String {
        let family = family(ofClass: numericClass)
        return "start it with \(familyVariable)=\(family)"
            + (family == commonFamily
                ? ", which every machine can run," : " (a CPU without these kernels needs a new run with \(commonFamily), which every machine can run)")
            + " and the run's build and libraries"
    }

    /// The kernel family that a numeric class names.
    public static func family(ofClass numericClass: String) -> String {
        numericClass.prefix { $0 != "," }.split(separator: " ").last.map(String.init) ?? commonFamily
    }
}
