import Generators
import TensorCore

/// LlamaGen: images of 256 codes in raster order, without guidance, at places spread over the sequence.
struct SequentialDecoding: Encodable {
    let images: Int
    let parameters: Int
    let secondsPerStep: Timing
    /// All images' codes a second, at the median.
    let codesPerSecond: Double
    /// Of one step.
    let weightBytesRead: Int
    let readGigabytesPerSecond: Double
    let bestReadGigabytesPerSecond: Double
    /// Codes of one image a second over read bandwidth by bytes of weights: 1 would be the speed of memory. For single images.
    let ratioToReadBandwidth: Double

    init(_ decoder: TransformerDecoder, parameters: Int, images: Int, runs: Int, pool: ThreadPool) throws {
        let step = try DecodingStep(decoder, images: images, guided: false, pool: pool)
        let cells = decoder.configuration.cells
        step.fill(entries: [Int](repeating: cells, count: images))
        let rates = MachineRates(pool: pool)
        var times: [Double] = []
        var failure: (any Error)?
        let counter = ProgressCounter("decoding \(images) at a time, step", after: 2)
        for run in -1..<runs {
            counter.update(run + 1, of: runs + 1)
            let place = cells * (2 * max(run, 0) + 1) / (2 * runs)
            rates.measureReading()
            let seconds = Timing.measureOnce {
                step.read(entries: [Int](repeating: place, count: images))
                do { try step.draw(place: place) } catch { failure = error }
            }
            if run >= 0 { times.append(seconds) }
        }
        counter.finish()
        if let failure { throw failure }
        self.images = images
        self.parameters = parameters
        secondsPerStep = Timing(minimum: times.min() ?? .nan, median: median(times))
        codesPerSecond = Double(images) / secondsPerStep.median
        weightBytesRead = decoder.weights.bytesReadPerToken
        readGigabytesPerSecond = rates.readBandwidth / 1e9
        bestReadGigabytesPerSecond = rates.bestReadBandwidth / 1e9
        ratioToReadBandwidth = 1 / secondsPerStep.median / (rates.readBandwidth / Double(weightBytesRead))
    }
}
