internal import CBLAS
internal import CFloat

#if canImport(Glibc)
import Glibc
#endif

/// What decides the last bits of a product besides our own code: the BLAS library and its kernel family, and the CPU level this program
/// was compiled for. A run has one numeric class; workers of another class are refused.
public enum NumericEnvironment {
    /// The BLAS kernel family that every x86-64 machine of a fleet can run, and the fastest here for convolutions (spec/performance.md).
    static let pinnedFamily = "Haswell"

    /// Pins the BLAS kernel family and switches its own threading off. Must be the first thing a command does: the library reads these
    /// variables when it loads, so the program is started once again with them set. A family that the user set stays.
    public static func prepare() {
        #if arch(x86_64)
        if getenv("OPENBLAS_CORETYPE") == nil {
            setenv("OPENBLAS_CORETYPE", pinnedFamily, 1)
            setenv("OPENBLAS_NUM_THREADS", "1", 1)
            execv("/proc/self/exe", CommandLine.unsafeArgv)
            // Only a failed execv returns; then the library's own choice of kernels stands, and the numeric class shows it.
        }
        #endif
        useOneBLASThread()
    }

    /// Makes every BLAS call single-threaded; our own pool cuts the work.
    public static func useOneBLASThread() { openblas_set_num_threads(1) }

    /// Why this program cannot run on this CPU, or nil.
    public static var missingCPUFeature: String? {
        cpu_runs_compiled_level()
            ? nil : "this CPU lacks AVX2/FMA (x86-64-v3), which mvq was compiled for; run it on a newer machine"
    }

    /// The kernel family that the BLAS library uses in this process, e.g. `Haswell`.
    public static var kernelFamily: String { openblas_get_corename().map { String(cString: $0) } ?? "unknown" }

    /// The numeric class, e.g. `OpenBLAS 0.3.21 Haswell, x86-64-v3`.
    public static var numericClass: String {
        // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH … MAX_THREADS=64": name and version.
        let library = openblas_get_config().map { String(cString: $0).split(separator: " ").prefix(2).joined(separator: " ") } ?? "OpenBLAS"
        #if arch(x86_64)
        return "\(library) \(kernelFamily), x86-64-v3"
        #else
        return "\(library) \(kernelFamily), arm64"
        #endif
    }
}
