import Generators
import TensorCore

/// One step of generation for a batch, as `ImageCodeGenerator` makes it, on caches that are filled without generating: what a step costs at any place of
/// a sequence can then be timed at once.
final class DecodingStep {
    let decoder: TransformerDecoder
    let images: Int
    /// Sequences: with guidance two an image.
    let sequences: Int
    private let caches: [SequenceCache]
    private let sampler: TokenSampler
    private let guidance: Double
    private let draws = TokenDraws(seed: 1)
    private let pool: ThreadPool
    private var codes: [(pre: Int, post: Int)]

    init(_ decoder: TransformerDecoder, images: Int, guided: Bool, pool: ThreadPool) throws {
        self.decoder = decoder
        self.images = images
        self.pool = pool
        sequences = images * (guided ? 2 : 1)
        guidance = guided ? 1.5 : 1
        caches = (0..<sequences).map { _ in SequenceCache(decoder.configuration) }
        codes = (0..<images).map { ($0 % decoder.configuration.preCodes, $0 % decoder.configuration.postCodes) }
        sampler = try TokenSampler()
    }

    var cacheBytes: Int { caches.reduce(0) { $0 + $1.bytes } }

    /// Fills the caches up to so many entries, one number an image.
    func fill(entries: [Int]) {
        pool.parallel(sequences) { sequence in
            let cache = caches[sequence]
            let held = cache.capacity
            cache.reserve(entries[sequence % images])
            if cache.capacity > held { cache.fill(from: held, with: 0.01) }
        }
    }

    /// Reads `new` tokens of every sequence after so many entries, one number an image.
    func read(entries: [Int], new: Int = 1) {
        decoder.prepare(rows: sequences * new)
        for row in 0..<(sequences * new) {
            let code = codes[row / new % images]
            decoder.embed(pre: code.pre, post: code.post, row: row)
        }
        decoder.read(
            caches,
            (0..<(sequences * new)).map { row in
                let entry = entries[row / new % images] + row % new
                return .init(rotaryRow: 1 + entry % decoder.configuration.cells, entry: entry, visible: entry + 1)
            })
    }

    /// Draws a code from the last `outputs` states of every sequence.
    func draw(outputs: Int = 1, new: Int = 1, place: Int) throws {
        let rows = (0..<sequences).flatMap { sequence in (0..<outputs).map { sequence * new + new - outputs + $0 } }
        let count = images * outputs
        decoder.readFirstParts(ofStates: rows)
        let pre = try choose(count, part: 0, place, decoder.preScores)
        decoder.readSecondParts(pre: guidance != 1 ? pre + pre : pre)
        let post = try choose(count, part: 1, place, decoder.postScores)
        for image in 0..<images { codes[image] = (pre[image * outputs], post[image * outputs]) }
    }

    private func choose(_ count: Int, part: Int, _ place: Int, _ scores: (Int) -> UnsafeMutableBufferPointer<Float>) throws -> [Int] {
        var chosen = [Int](repeating: -1, count: count)
        chosen.withUnsafeMutableBufferPointer { chosen in
            pool.parallel(count) { row in
                let logits = scores(row)
                if guidance != 1 { Guidance.combine(logits, null: UnsafeBufferPointer(scores(count + row)), scale: guidance) }
                let u = draws.uniform(image: row, token: place, subToken: part)
                chosen[row] = (try? sampler.token(of: UnsafeBufferPointer(logits), at: u)) ?? -1
            }
        }
        guard !chosen.contains(-1) else { throw SamplingError.unusableLogits }
        return chosen
    }
}
