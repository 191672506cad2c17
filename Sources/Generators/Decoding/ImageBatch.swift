import TensorCore

/// Images that are made together: their caches, with and without class, and how codes are drawn from states.
final class ImageBatch {
    let decoder: TransformerDecoder
    let classes: [Int32]
    let images: [Int]
    let request: GenerationRequest
    let choose: ImageCodeGenerator.Choice
    /// The caches of the images, and of the same without class while guidance needs them.
    private(set) var caches: [SequenceCache]
    private(set) var cacheUse = CacheUse()
    let configuration: GeneratorConfiguration
    private let tokens: Int
    /// Tokens that exist when the last guided step begins; −1 without guidance.
    private let lastGuided: Int

    init(
        _ decoder: TransformerDecoder, classes: [Int32], images: [Int], request: GenerationRequest, choose: @escaping ImageCodeGenerator.Choice
    ) {
        self.decoder = decoder
        self.classes = classes
        self.images = images
        self.request = request
        self.choose = choose
        configuration = decoder.configuration
        let tokens = request.tokens(of: configuration)
        self.tokens = tokens
        lastGuided = (0..<tokens).last { ImageBatch.scales(request, decoded: $0, of: tokens) != (1, 1) } ?? -1
        caches = (0..<(images.count * (lastGuided >= 0 ? 2 : 1))).map { [configuration] _ in SequenceCache(configuration) }
    }

    /// Sequences of an image: 2 while the branch without class is needed.
    var branches: Int { caches.count / images.count }

    /// The sequences of all images, images with their classes first: which image each is of, and its class.
    func label(ofSequence sequence: Int) -> Int32 {
        sequence < images.count ? classes[sequence] : Int32(configuration.nullClass)
    }

    /// Gives up the branch without class when no later step needs it.
    func endGuidance(before decoded: Int) {
        if decoded > lastGuided, branches == 2 { caches.removeLast(images.count) }
    }

    /// Reads embedded tokens, after making room for their entries.
    func read(_ new: [TransformerDecoder.Token], live: [Int]) {
        let each = new.count / caches.count
        for (sequence, cache) in caches.enumerated() {
            cache.reserve(new[(sequence * each)..<((sequence + 1) * each)].reduce(0) { max($0, $1.visible, $1.entry + 1) })
        }
        let entry = 2 * configuration.keyValueHeads * configuration.headWidth * configuration.layers * MemoryLayout<Float>.stride
        let use = CacheUse(allocated: caches.reduce(0) { $0 + $1.bytes }, live: live.reduce(0, +) * entry)
        cacheUse = CacheUse(allocated: max(cacheUse.allocated, use.allocated), live: max(cacheUse.live, use.live))
        decoder.read(caches, new)
    }

    /// Draws codes for all images from states of the last read.
    /// - Parameters:
    ///   - rows: for each sequence, the rows of its states.
    ///   - places: for each image, the raster cells or slots of the codes.
    ///   - decoded: codes of an image that exist before.
    /// - Returns: for each image, both parts of its codes.
    func draw(rows: (_ sequence: Int) -> Range<Int>, places: [[Int]], decoded: Int) throws(SamplingError) -> [[(pre: Int, post: Int)]] {
        let scales = ImageBatch.scales(request, decoded: decoded, of: tokens)
        let targets = places.enumerated().flatMap { image, places in places.map { (image, $0) } }
        let isGuided = scales != (1, 1)
        precondition(!isGuided || branches == 2, "guidance without a branch")
        let sequences = isGuided ? caches.count : images.count
        decoder.readFirstParts(ofStates: (0..<sequences).flatMap { Array(rows($0)) })
        let pre = try choose(part: 0, targets, scale: scales.pre, decoder.preScores)
        decoder.readSecondParts(pre: scales.post != 1 ? pre + pre : pre)
        let post = try choose(part: 1, targets, scale: scales.post, decoder.postScores)
        let each = places[0].count
        return images.indices.map { image in
            (0..<each).map { (pre[image * each + $0], post[image * each + $0]) }
        }
    }

    /// Chooses one part of codes from their guided scores. The rows without class lie behind all others.
    private func choose(
        part: Int, _ targets: [(image: Int, place: Int)], scale: Double, _ scores: (Int) -> UnsafeMutableBufferPointer<Float>
    ) throws(SamplingError) -> [Int] {
        var chosen = [Int](repeating: 0, count: targets.count)
        var failures = [SamplingError?](repeating: nil, count: targets.count)
        chosen.withUnsafeMutableBufferPointer { chosen in
            failures.withUnsafeMutableBufferPointer { failures in
                func work(_ row: Int) {
                    let logits = scores(row)
                    if scale != 1 { Guidance.combine(logits, null: UnsafeBufferPointer(scores(targets.count + row)), scale: scale) }
                    do throws(SamplingError) {
                        chosen[row] = try choose(images[targets[row].image], targets[row].place, part, UnsafeBufferPointer(logits))
                    } catch {
                        failures[row] = error
                    }
                }
                decoder.pool.parallel(targets.count, work)
            }
        }
        for failure in failures { if let failure { throw failure } }
        return chosen
    }

    private static func scales(_ request: GenerationRequest, decoded: Int, of total: Int) -> (pre: Double, post: Double) {
        (request.pre.guidance.scale(decoded: decoded, of: total), request.post.guidance.scale(decoded: decoded, of: total))
    }
}
