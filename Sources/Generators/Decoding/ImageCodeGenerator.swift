import TensorCore

/// Makes images' codes with a generator: in raster order (LlamaGen, MergeAR) or several at a time in random order (RandAR).
///
/// ```swift
/// let images = ImageCodeGenerator(generator, weights: weights, batch: 16, pool: pool)
/// let part = GenerationRequest.Part(try TokenSampler(), guidance: .constant(1.9))
/// let codes = try images.generate(
///     GenerationRequest(classes: [207, 360], images: [0, 1], order: .raster, pre: part, post: part, seed: 1))
/// ```
public final class ImageCodeGenerator {
    /// Chooses a part of a code: `image` and `token` (raster cell or slot) say which, `part` is 0 or 1, the logits are guided already.
    package typealias Choice = (_ image: Int, _ token: Int, _ part: Int, _ logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> Int

    public let configuration: GeneratorConfiguration
    /// Images that are made at a time.
    public let batch: Int
    package let decoder: TransformerDecoder
    /// The most bytes that caches held during the last request: allocated, and of entries in use.
    package var cacheUse = CacheUse()
    let pool: ThreadPool

    /// - Parameters:
    ///   - weights: the flat vector of the generator's layout. It is copied into another layout and not needed afterwards.
    ///   - batch: images to make at a time; more need more memory and less time an image.
    ///   - pool: serves one generation at a time.
    public init(_ generator: Generator, weights: Tensor, batch: Int, pool: ThreadPool) {
        precondition(batch >= 1, "a batch of \(batch)")
        configuration = generator.configuration
        self.batch = batch
        self.pool = pool
        decoder = TransformerDecoder(generator, weights: weights, pool: pool)
    }

    /// The images' codes, in the request's order: joint indices, in raster order, or in slot order where the order of generation is random.
    ///
    /// - Parameter progress: told after every step how many codes of all images there are, of how many.
    /// - Throws: `SamplingError`: what is wrong with the request, or `unusableLogits`.
    public func generate(
        _ request: GenerationRequest, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws(SamplingError) -> [[Int32]] {
        let draws = TokenDraws(seed: request.seed)
        let samplers = [request.pre.sampler, request.post.sampler]
        return try generate(request, progress: progress) { (image, token, part, logits) throws(SamplingError) in
            try samplers[part].token(of: logits, at: draws.uniform(image: image, token: token, subToken: part))
        }
    }

    /// `generate` with codes chosen by others, and, where the order is random, in orders given by others.
    package func generate(
        _ request: GenerationRequest, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
        order: ((_ image: Int, _ count: Int) -> SlotOrder)? = nil, choosing choose: @escaping Choice
    ) throws(SamplingError) -> [[Int32]] {
        try request.validate(for: configuration)
        cacheUse = CacheUse()
        var codes: [[Int32]] = []
        let each = request.tokens(of: configuration)
        for start in stride(from: 0, to: request.images.count, by: batch) {
            let images = start..<min(start + batch, request.images.count)
            let run = ImageBatch(
                decoder, classes: Array(request.classes[images]), images: Array(request.images[images]), request: request, choose: choose)
            func report(_ done: Int) { progress((start * each) + images.count * done, request.images.count * each) }
            switch request.order {
            case .raster:
                codes += try run.raster(mergeID: nil, window: configuration.cells, report: report)
            case .merged(_, let mergeID, let window):
                codes += try run.raster(mergeID: mergeID, window: min(window, configuration.cells), report: report)
            case .random(let keptTokens, let steps, let schedule):
                codes += try run.random(
                    counts: schedule.counts(tokens: keptTokens, steps: steps),
                    orders: run.images.map { order?($0, keptTokens) ?? SlotOrder(count: keptTokens, seed: request.seed, image: $0) }, report: report)
            }
            cacheUse = max(cacheUse, run.cacheUse)
        }
        return codes
    }
}

/// Memory of the caches of a batch, in bytes.
package struct CacheUse: Sendable, Comparable {
    /// All of the caches' memory.
    package var allocated = 0
    /// That of entries in use.
    package var live = 0

    package static func < (a: CacheUse, b: CacheUse) -> Bool { (a.allocated, a.live) < (b.allocated, b.live) }
}
