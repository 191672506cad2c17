import Fleet
import Foundation

/// What `mvq bench exchange` found.
struct ExchangeResult: Encodable {
    let workers: Int
    /// `plain` or `curve`.
    let transport: String
    let weightsBytes: Int
    let gradientBytes: Int
    let chunkBytes: Int
    let steps: Int
    /// From commit to commit, without the computation.
    let exchangeSeconds: Timing
    /// From the commit to the last worker's lease: weights to all workers.
    let weightsSeconds: Timing
    /// From the last lease and its computation to the last complete gradient.
    let gradientSeconds: Timing
    /// From the last complete gradient to the commit: adding what is not added yet.
    let sumSeconds: Timing
    /// At the median; all workers together.
    let weightsGBPerSecond: Double
    let gradientGBPerSecond: Double
    /// Of all threads, over all bytes in both directions.
    let coordinatorCPUSecondsPerGB: Double
    let workerCPUSecondsPerGB: Double
    let coordinatorPeakBytes: Int
    /// By docs/protocol.md: gradients, the weights (here the last sum), and the credit of both directions.
    let coordinatorBoundBytes: Int
    /// Steps in which not every worker had a slot.
    let unevenSteps: Int

    init(
        task: ExchangeTask, workers: Int, isEncrypted: Bool, creditBytes: Int, moments: [ExchangeCoordinator.Moments], workerCPU: Double,
        coordinatorPeak: Int
    ) {
        self.workers = workers
        transport = isEncrypted ? "curve" : "plain"
        (weightsBytes, gradientBytes, chunkBytes) = (task.weightsBytes, task.gradientBytes, task.chunkBytes)
        var (exchange, weights, gradient, sum): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        var uneven = 0
        for (before, step) in zip(moments, moments.dropFirst()).dropFirst(ExchangeTask.warmUp - 1) {
            guard let start = before.commit, let lease = step.lastLease, let block = step.lastBlock, let commit = step.commit else { continue }
            exchange.append(start.duration(to: commit).inSeconds - task.computeSeconds)
            weights.append(start.duration(to: lease).inSeconds)
            gradient.append(lease.duration(to: block).inSeconds - task.computeSeconds)
            sum.append(block.duration(to: commit).inSeconds)
            if step.workers.count < workers { uneven += 1 }
        }
        steps = exchange.count
        unevenSteps = uneven
        (exchangeSeconds, weightsSeconds) = (Timing(of: exchange), Timing(of: weights))
        (gradientSeconds, sumSeconds) = (Timing(of: gradient), Timing(of: sum))
        weightsGBPerSecond = Double(workers * task.weightsBytes) / 1e9 / weightsSeconds.median
        gradientGBPerSecond = Double(workers * task.gradientBytes) / 1e9 / gradientSeconds.median
        let moved = Double(workers * (task.weightsBytes + task.gradientBytes) * exchange.count) / 1e9
        let last = moments.last?.cpuSeconds ?? 0
        coordinatorCPUSecondsPerGB = (last - moments[ExchangeTask.warmUp - 1].cpuSeconds) / moved
        workerCPUSecondsPerGB = workerCPU / moved
        coordinatorPeakBytes = coordinatorPeak
        coordinatorBoundBytes = (workers + task.slots / 2 + 2 + 1) * task.gradientBytes + 2 * workers * creditBytes
    }

    var text: String {
        func line(_ name: String, _ time: Timing, _ rate: Double?) -> String {
            "  " + name.padded(to: 22) + String(format: "%8.4f / %.4f s", time.minimum, time.median) + (rate.map { String(format: "   %.2f GB/s", $0) } ?? "")
        }
        return [
            "\(transport), \(workers) workers, \(grouped(gradientBytes)) bytes of gradient, \(grouped(weightsBytes)) of weights, chunks of \(grouped(chunkBytes)); \(steps) steps; best / median",
            line("exchange", exchangeSeconds, nil),
            line("  weights out", weightsSeconds, weightsGBPerSecond),
            line("  gradients in", gradientSeconds, gradientGBPerSecond),
            line("  sum and commit", sumSeconds, nil),
            String(format: "  CPU-seconds per GB: coordinator %.3f, workers %.3f", coordinatorCPUSecondsPerGB, workerCPUSecondsPerGB),
            String(format: "  coordinator's peak memory %.2f GB, bound %.2f GB", Double(coordinatorPeakBytes) / 1e9, Double(coordinatorBoundBytes) / 1e9),
        ].joined(separator: "\n") + (unevenSteps > 0 ? "\n  in \(unevenSteps) steps not every worker had a slot: take more --seconds-per-step" : "")
    }
}

extension Timing {
    /// Of times already taken.
    init(of times: [Double]) {
        let sorted = times.sorted()
        self.init(minimum: sorted.first ?? .nan, median: sorted.isEmpty ? .nan : sorted[sorted.count / 2])
    }
}
