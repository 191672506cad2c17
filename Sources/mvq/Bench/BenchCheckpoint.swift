import ArgumentParser
import Checkpoints
import CommandSupport
import Foundation
import MergeVQ
import Synchronization
import TensorCore
import Training

/// `mvq bench checkpoint`: what a checkpoint costs the training loop, and what it costs the writer's thread.
struct BenchCheckpoint: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Times the snapshot of a configuration's training state, and its publication.",
        discussion: """
            The snapshot, a copy of weights, moments and averages, is what the training loop waits for; it is taken --runs times while nothing else
            happens, and once in each stage of a publication, as when a checkpoint is due while the one before is being written. Publication
            (conversion to official layout, HDF5, fsync, reading back, digests) happens on a thread of its own. Files go to a folder that is
            removed afterwards, in --out. With --step-seconds, the time of a training step (metrics.jsonl, or 'mvq bench step' times the images
            of a step), the snapshot is shown as a share of it.

              mvq bench checkpoint --config configs/tokenizer-gr.yaml --out runs --step-seconds 20
            """)

    @Option(help: ArgumentHelp("Configuration.", valueName: "file")) var config: String
    @Option(name: .customLong("set"), help: ArgumentHelp("Override a configuration field; repeatable.", valueName: "key=value"))
    var set: [ConfigurationOverride] = []
    @Option(help: ArgumentHelp("Folder on the disk to measure.", valueName: "dir")) var out = "."
    @Option(help: "Threads that copy.") var threads = 1
    @Option(help: "Repetitions of the snapshot.") var runs = 5
    @Option(help: ArgumentHelp("Time of a training step.", valueName: "seconds")) var stepSeconds: Double?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("--threads", threads), ("--runs", runs)] { try validateCount(name, value) }
        if let stepSeconds, !(stepSeconds > 0) { throw ValidationError("--step-seconds is \(stepSeconds); it must be more than 0") }
    }

    struct Result: Encodable {
        let config: String
        let threads: Int
        let runs: Int
        let parameters: Int
        /// Of one snapshot in memory; there are never more than two.
        let snapshotBytes: Int
        let snapshotSeconds: Timing
        /// The longest one beside a publication.
        let snapshotSecondsWhileWriting: Double
        /// Of a training step, of the median and of the longest beside a publication.
        let shareOfStep: Double?
        let shareOfStepWhileWriting: Double?
        let fileBytes: Int
        /// Conversion, digests of the arrays, HDF5.
        let writeSeconds: Double
        let synchroniseSeconds: Double
        /// The file's digest, and everything read back and compared.
        let verifySeconds: Double
        let publishSeconds: Double
        let peakResidentBytes: Int
    }

    func run() throws {
        let result = try measure(try RunConfiguration(file: config, overrides: set.map { ($0.key, $0.value) }))
        if json { try printJSON(result) } else { print(text(result)) }
    }

    private func measure(_ configuration: RunConfiguration) throws -> Result {
        let model = configuration.trainedModel
        let pool = ThreadPool(threads: threads)
        let state = TrainingState(model: model, seed: 1)
        let facts = TrainingState.Facts(
            configuration: configuration, runID: "bench", datasetFingerprint: "", sampleCount: 0,
            numericClass: NumericEnvironment.numericClass, epoch: 0)
        var memory = SnapshotMemory(model: model)
        let timing = Timing.measure(runs: runs) { _ = memory.snapshot(of: state, facts: facts, pool: pool) }

        let folder = out + "/.mvq-bench-\(ProcessInfo.processInfo.processIdentifier)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let stages = Mutex<[(stage: PublishStage, time: Double)]>([])
        let store = CheckpointStore(directory: folder) { stage in
            stages.withLock { $0.append((stage, ProcessInfo.processInfo.systemUptime)) }
        }
        let outcome = Mutex<Swift.Result<PublishedCheckpoint, any Error>?>(nil)
        let writer = CheckpointWriter(store: store) { _, result in outcome.withLock { $0 = $0 ?? result } }
        writer.offer(memory.snapshot(of: state, facts: facts, pool: pool))
        // The second buffer's memory is taken outside of the measurement, as it is once in a run.
        _ = memory.snapshot(of: state, facts: facts, pool: pool)
        var longest = 0.0
        while outcome.withLock({ $0 == nil }) {
            longest = max(longest, Timing.measureOnce { _ = memory.snapshot(of: state, facts: facts, pool: pool) })
        }
        writer.finish()
        let published = try outcome.withLock { try $0?.get() }
        let times = stages.withLock { $0 }
        func seconds(_ stage: PublishStage) -> Double {
            guard let position = times.firstIndex(where: { $0.stage == stage }), position + 1 < times.count else { return 0 }
            return times[position + 1].time - times[position].time
        }
        return Result(
            config: config, threads: threads, runs: runs, parameters: model.layout.count, snapshotBytes: memory.bytesPerSnapshot,
            snapshotSeconds: timing, snapshotSecondsWhileWriting: longest, shareOfStep: stepSeconds.map { timing.median / $0 },
            shareOfStepWhileWriting: stepSeconds.map { longest / $0 }, fileBytes: published?.bytes ?? 0, writeSeconds: seconds(.write),
            synchroniseSeconds: seconds(.synchronise), verifySeconds: seconds(.verify), publishSeconds: writer.secondsPerCheckpoint ?? 0,
            peakResidentBytes: peakResidentBytes())
    }

    private func text(_ r: Result) -> String {
        func share(_ value: Double?) -> String { value.map { String(format: ", %.2f %% of a step", 100 * $0) } ?? "" }
        return [
            "\(r.config): \(grouped(r.parameters)) parameters, \(r.threads) threads, \(r.runs) runs; best / median",
            "  snapshot       \(r.snapshotSeconds.text) s (\(grouped(r.snapshotBytes)) bytes)" + share(r.shareOfStep),
            String(format: "  beside a writer %.4g s at most", r.snapshotSecondsWhileWriting) + share(r.shareOfStepWhileWriting),
            String(
                format: "  publication    %.2f s: %.2f s conversion and writing, %.2f s fsync, %.2f s verification", r.publishSeconds,
                r.writeSeconds, r.synchroniseSeconds, r.verifySeconds) + " (\(grouped(r.fileBytes)) bytes)",
            String(format: "  peak memory    %.2f GiB", Double(r.peakResidentBytes) / 0x1p30),
        ].joined(separator: "\n")
    }
}
