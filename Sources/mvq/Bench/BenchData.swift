import ArgumentParser
import CommandSupport
import Foundation
import ImageData
import Synchronization
import TensorCore

/// `mvq bench data`: what it costs to turn JPEG files into the model's input.
struct BenchData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Times reading, decoding, and resizing + cropping + normalising of images.",
        discussion: """
            Each run goes over all images once. Normalising is part of the last pass of resizing and has no time of its own. Images a second
            leave reading out, which the system's file cache does after the first run.

              mvq bench data --data imagenet --threads 2
            """)

    @Option(help: ArgumentHelp("Any folder with JPEGs, directly or below; without it photograph-sized pictures are drawn.", valueName: "dir"))
    var data: String?
    @Option(help: "Side of the crop in pixels.") var size = 256
    @Option(help: ArgumentHelp("Images, spread over the folder.", valueName: "count")) var images = 250
    @Option(help: ArgumentHelp("Threads, measured beside one thread.", valueName: "count")) var threads = defaultThreads
    @Option(help: "Repetitions.") var runs = 5
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        for (name, value) in [("size", size), ("images", images), ("threads", threads), ("runs", runs)] where value < 1 {
            throw ValidationError("--\(name) is \(value); it must be 1 or more")
        }
    }

    /// Minimum, median and maximum over the runs.
    struct Spread: Encodable {
        let minimum: Double
        let median: Double
        let maximum: Double

        init(_ values: [Double]) {
            let sorted = values.sorted()
            minimum = sorted[0]
            median = sorted[sorted.count / 2]
            maximum = sorted[sorted.count - 1]
        }
    }

    /// Of one transform.
    struct Result: Encodable {
        let transform: String
        /// Of one thread, per image.
        let readSeconds: Spread
        let decodeSeconds: Spread
        let resizeCropNormaliseSeconds: Spread
        let imagesPerSecondOneThread: Spread
        let imagesPerSecondAllThreads: Spread
    }

    struct Report: Encodable {
        let source: String
        let images: Int
        let meanPixels: Double
        let meanBytes: Double
        let size: Int
        let threads: Int
        let runs: Int
        let results: [Result]
    }

    func run() throws {
        let counter = ProgressCounter("measuring")
        defer { counter.finish() }
        let pictures = try BenchPictures(folder: data, limit: images) { counter.update($0, of: $1) }
        defer { pictures.remove() }
        let files = try pictures.paths.map { try ImageFile.bytes(of: $0) }
        let headers = try zip(files, pictures.paths).map { try JPEG.header(of: $0, file: $1) }
        var done = 0
        let total = 4 * (runs + 1)
        func runDone() {
            done += 1
            counter.update(done, of: total)
        }
        let results = try [ImageTransform.Purpose.training, .validation].map { purpose -> Result in
            let transform = ImageTransform(size: size, purpose: purpose, seed: 1)
            let stages = try measureStages(transform, pictures.paths, runDone)
            let rates = try measureRate(transform, files, pictures.paths, runDone)
            let oneThread = stages.map { 1 / ($0.decode + $0.transform) }
            return Result(
                transform: purpose == .training ? "training" : "validation", readSeconds: Spread(stages.map(\.read)),
                decodeSeconds: Spread(stages.map(\.decode)), resizeCropNormaliseSeconds: Spread(stages.map(\.transform)),
                imagesPerSecondOneThread: Spread(oneThread), imagesPerSecondAllThreads: Spread(rates))
        }
        let pixels = headers.reduce(0) { $0 + $1.width * $1.height }
        let bytes = files.reduce(0) { $0 + $1.count }
        let report = Report(
            source: data ?? "drawn", images: files.count, meanPixels: Double(pixels) / Double(files.count),
            meanBytes: Double(bytes) / Double(files.count), size: size, threads: threads, runs: runs, results: results)
        counter.finish()
        if json { try printJSON(report) } else { print(text(report)) }
    }

    private typealias Stages = (read: Double, decode: Double, transform: Double)

    /// Seconds per image of each stage on one thread, run by run; a run before them warms up.
    private func measureStages(_ transform: ImageTransform, _ paths: [String], _ runDone: () -> Void) throws -> [Stages] {
        let decoder = SampleDecoder(transform)
        var floats = [Float](repeating: 0, count: transform.elementCount)
        let all = try (0...runs).map { run -> Stages in
            var sum: Stages = (0, 0, 0)
            for (sample, path) in paths.enumerated() {
                let start = ContinuousClock.now
                let bytes = try ImageFile.bytes(of: path)
                let read = ContinuousClock.now
                try decoder.decode(bytes, file: path)
                let decoded = ContinuousClock.now
                floats.withUnsafeMutableBufferPointer { decoder.floats(step: run, sample: sample, into: $0) }
                let end = ContinuousClock.now
                decoder.clear()
                sum.read += seconds(read - start)
                sum.decode += seconds(decoded - read)
                sum.transform += seconds(end - decoded)
            }
            runDone()
            let count = Double(paths.count)
            return (sum.read / count, sum.decode / count, sum.transform / count)
        }
        return Array(all.dropFirst())
    }

    /// Images a second on all threads, run by run; a run before them warms up. Files are decoded from memory.
    private func measureRate(
        _ transform: ImageTransform, _ files: [[UInt8]], _ paths: [String], _ runDone: () -> Void
    ) throws -> [Double] {
        let pool = ThreadPool(threads: threads)
        let failure = Mutex<ImageError?>(nil)
        let all = try (0...runs).map { run -> Double in
            let next = Atomic<Int>(0)
            let start = ContinuousClock.now
            pool.parallel(threads) { _ in
                let decoder = SampleDecoder(transform)
                var floats = [Float](repeating: 0, count: transform.elementCount)
                while true {
                    let sample = next.add(1, ordering: .relaxed).oldValue
                    guard sample < files.count else { return }
                    do throws(ImageError) {
                        try floats.withUnsafeMutableBufferPointer { target throws(ImageError) in
                            try decoder(files[sample], file: paths[sample], step: run, sample: sample, into: target)
                        }
                    } catch {
                        failure.withLock { $0 = $0 ?? error }
                        return
                    }
                }
            }
            let elapsed = seconds(ContinuousClock.now - start)
            if let failure = failure.withLock({ $0 }) { throw failure }
            runDone()
            return Double(files.count) / elapsed
        }
        return Array(all.dropFirst())
    }

    private func text(_ report: Report) -> String {
        var lines = [
            String(
                format: "%@: %d images of %.0f pixels and %.1f KB on average; crop %d; %d runs, minimum / median / maximum", report.source,
                report.images, report.meanPixels, report.meanBytes / 1000, size, runs)
        ]
        func add(_ label: String, _ spread: Spread, _ format: String, factor: Double = 1) {
            let values = [spread.minimum, spread.median, spread.maximum].map { String(format: format, $0 * factor) }
            lines.append("  " + label.padding(toLength: 36, withPad: " ", startingAt: 0) + values.joined(separator: " / "))
        }
        for result in report.results {
            lines.append(result.transform == "training" ? "training: random crop, bicubic" : "validation: centre crop, bilinear")
            add("read, ms", result.readSeconds, "%7.3f", factor: 1e3)
            add("decode, ms", result.decodeSeconds, "%7.3f", factor: 1e3)
            add("resize, crop, normalise, ms", result.resizeCropNormaliseSeconds, "%7.3f", factor: 1e3)
            add("images/s, 1 thread", result.imagesPerSecondOneThread, "%7.0f")
            if threads > 1 { add("images/s, \(threads) threads", result.imagesPerSecondAllThreads, "%7.0f") }
        }
        return lines.joined(separator: "\n")
    }

    private func seconds(_ duration: Duration) -> Double {
        let (whole, fraction) = duration.components
        return Double(whole) + Double(fraction) * 1e-18
    }
}
