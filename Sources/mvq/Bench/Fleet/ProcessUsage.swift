import Foundation
import Glibc

private func measuredPeak() -> Int { peakResidentBytes() }

/// What a process has used so far.
struct ProcessUsage: Codable {
    let cpuSeconds: Double
    let peakResidentBytes: Int
    let openFiles: Int
    let threads: Int

    /// CPU-seconds of all threads.
    static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    static var current: ProcessUsage {
        let peakMemory = measuredPeak()
        func entries(_ folder: String) -> Int { (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0 }
        return ProcessUsage(
            cpuSeconds: cpuSeconds, peakResidentBytes: peakMemory, openFiles: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"))
    }
}
