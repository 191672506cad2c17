import Foundation

/// Minimum and median of repeated timings, in seconds.
struct Timing: Encodable {
    let minimum: Double
    let median: Double

    /// Times `work` `runs` times, after once untimed.
    static func measure(runs: Int, _ work: () -> Void) -> Timing { measureWithWarmUp(runs: runs, work).timing }

    /// Times `work` once as a warm-up, then `runs` times; `progress` is told before each.
    static func measureWithWarmUp(
        runs: Int, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }, _ work: () -> Void
    ) -> (timing: Timing, warmUp: Double) {
        progress(0, runs + 1)
        let warmUp = seconds(work)
        let all = (0..<max(runs, 1)).map { run -> Double in
            progress(run + 1, runs + 1)
            return seconds(work)
        }.sorted()
        return (Timing(minimum: all[0], median: all[all.count / 2]), warmUp)
    }

    /// Times several works in turns, each once a round, after a round untimed: what slows the machine down for a while slows all of them.
    static func measureInTurns(runs: Int, _ works: [() -> Void]) -> [Timing] {
        for work in works { work() }
        var all = [[Double]](repeating: [], count: works.count)
        for _ in 0..<max(runs, 1) {
            for (i, work) in works.enumerated() { all[i].append(seconds(work)) }
        }
        return all.map { times in
            let sorted = times.sorted()
            return Timing(minimum: sorted[0], median: sorted[sorted.count / 2])
        }
    }

    /// The seconds that `work` takes, once.
    static func measureOnce(_ work: () -> Void) -> Double { seconds(work) }

    private static func seconds(_ work: () -> Void) -> Double {
        let (whole, fraction) = ContinuousClock().measure(work).components
        return Double(whole) + Double(fraction) * 1e-18
    }

    init(minimum: Double, median: Double) {
        self.minimum = minimum
        self.median = median
    }

    static func + (a: Timing, b: Timing) -> Timing { Timing(minimum: a.minimum + b.minimum, median: a.median + b.median) }
    static func * (a: Timing, factor: Double) -> Timing { Timing(minimum: a.minimum * factor, median: a.median * factor) }

    /// `0.512 / 0.530`: minimum / median.
    var text: String { String(format: "%.4g / %.4g", minimum, median) }
}

/// The most memory this process has used, in bytes.
func peakResidentBytes() -> Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss * 1024
}
