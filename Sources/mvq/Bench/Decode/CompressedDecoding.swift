import Generators
import TensorCore

/// MergeAR: the compressed cache against the one that keeps everything, with guidance, for images of which K codes differ, scattered over the
/// cells.
struct CompressedDecoding: Encodable {
    let cells: Int
    let distinctCodes: Int
    let images: Int
    /// The means over the run of the entries that a query sees.
    let meanEntries: Double
    let meanEntriesUncompressed: Double
    /// Of all caches at the end, allocated.
    let cacheBytes: Int
    let cacheBytesUncompressed: Int
    let memoryRatio: Double
    /// A step, the mean over places spread evenly over the run; medians of rounds.
    let secondsPerStep: Double
    let secondsPerStepUncompressed: Double
    let speedUp: Double
    let readGigabytesPerSecond: Double
    let sgemmGflops: Double
    /// By the bound of both sides.
    let speedUpBound: Double
    let shareOfBound: Double
    /// Of bound over time, for both.
    let efficiency: Double
    let efficiencyUncompressed: Double

    /// - Parameter layerScale: what the blocks over the sequence are multiplied by, where a model with fewer stands for the whole one.
    init(
        _ decoder: TransformerDecoder, distinct: Int, images: Int, places: Int, rounds: Int, layerScale: Double, pool: ThreadPool
    ) throws {
        let configuration = decoder.configuration
        let cells = configuration.cells
        // Entries that the query of each place sees, by image.
        let contexts = (0..<images).map { image -> [Int] in
            let random = Philox(seed: UInt64(image), domain: "scattered codes")
            var order = Array(0..<cells)
            for last in stride(from: cells - 1, to: 0, by: -1) { order.swapAt(last, random.integer(below: last + 1, draw: last)) }
            // Every code occurs: the first K places of the permutation have one each, the others any.
            var codes = [Int32](repeating: 0, count: cells)
            for (i, cell) in order.enumerated() { codes[cell] = Int32(i < distinct ? i : random.integer(below: distinct, sample: 1, draw: i)) }
            var layout = MergedCacheLayout()
            return codes.map { code in
                _ = layout.enter(code)
                return layout.contextSize
            }
        }
        let chosen = (0..<places).map { cells * (2 * $0 + 1) / (2 * places) }
        let compressed = try DecodingStep(decoder, images: images, guided: true, pool: pool)
        let full = try DecodingStep(decoder, images: images, guided: true, pool: pool)
        let rates = MachineRates(pool: pool)
        var (times, fullTimes) = ([Double](), [Double]())
        var (bound, fullBound) = (0.0, 0.0)
        var failure: (any Error)?
        let counter = ProgressCounter("decoding \(images) at a time, place", after: 2)
        var measured: [(read: [Double], draw: [Double])] = []
        for (number, place) in chosen.enumerated() {
            counter.update(number, of: places)
            let visible = [contexts.map { $0[place] }, contexts.map { _ in place + 3 }]
            let steps = [compressed, full]
            for (step, visible) in zip(steps, visible) { step.fill(entries: visible) }
            measured = steps.map { _ in ([], []) }
            for round in -1..<rounds {
                rates.measureReading()
                if round == 0 { rates.measureProducts() }
                for (side, step) in steps.enumerated() {
                    let read = Timing.measureOnce { step.read(entries: visible[side].map { $0 - 1 }) }
                    let draw = Timing.measureOnce { do { try step.draw(place: place) } catch { failure = error } }
                    guard round >= 0 else { continue }
                    measured[side].read.append(read)
                    measured[side].draw.append(draw)
                }
            }
            times.append(median(measured[0].read) * layerScale + median(measured[0].draw))
            fullTimes.append(median(measured[1].read) * layerScale + median(measured[1].draw))
        }
        counter.finish()
        if let failure { throw failure }
        let limits = DecodingBound(configuration: configuration, bandwidth: rates.readBandwidth, productRate: rates.productRate)
        for place in chosen {
            func least(_ entries: Int) -> Double {
                limits.reading(rows: 2 * images, entries: 2 * entries) * layerScale + limits.drawing(rows: 2 * images)
            }
            bound += least(contexts.reduce(0) { $0 + $1[place] })
            fullBound += least(images * (place + 3))
        }
        // What both hold at the end.
        func finalBytes(_ entries: [Int]) -> Int {
            let block = SequenceCache.blockEntries
            let entry = 2 * 4 * configuration.keyValueHeads * configuration.headWidth * configuration.layers
            return entries.reduce(0) { $0 + 2 * ($1 + block - 1) / block * block * entry }
        }
        self.cells = cells
        distinctCodes = distinct
        self.images = images
        meanEntries = contexts.reduce(0.0) { $0 + Double($1.dropLast().reduce(0, +)) } / Double(images * (cells - 1))
        meanEntriesUncompressed = Double(cells) / 2 + 2
        cacheBytes = finalBytes(contexts.map { $0[cells - 2] })
        cacheBytesUncompressed = finalBytes(contexts.map { _ in cells + 1 })
        memoryRatio = Double(cacheBytes) / Double(cacheBytesUncompressed)
        secondsPerStep = times.reduce(0, +) / Double(places)
        secondsPerStepUncompressed = fullTimes.reduce(0, +) / Double(places)
        speedUp = secondsPerStepUncompressed / secondsPerStep
        readGigabytesPerSecond = rates.readBandwidth / 1e9
        sgemmGflops = rates.productRate / 1e9
        speedUpBound = fullBound / bound
        shareOfBound = speedUp / speedUpBound
        efficiency = bound / times.reduce(0, +)
        efficiencyUncompressed = fullBound / fullTimes.reduce(0, +)
    }
}
