import ImageData
import MergeVQ
import NeuralNet
import Synchronization
import TensorCore

/// Encodes images to records of tokens.
///
/// Every image goes through the encoder by itself, on one thread: in a batch, matrix products are cut by the number of all rows, and nothing promises
/// that this moves no last bit, and with it a code. So records depend on nothing but the weights and the image, and threads share the images out.
struct ImageTokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let weights: Tensor
    private let transform: ImageTransform
    /// What the weights come from, for complaints.
    private let source: String
    /// Used by many threads at once: a pool of one thread has no state.
    private let single = ThreadPool(threads: 1)

    /// - Parameters:
    ///   - weights: `[layout.count]`
    ///   - source: what they come from, for complaints.
    init(_ tokenizer: Tokenizer, weights: Tensor, source: String) {
        self.tokenizer = tokenizer
        self.weights = weights
        self.source = source
        transform = ImageTransform(size: tokenizer.configuration.imageSize, purpose: .validation)
    }

    /// An image to encode: its encoded bytes, and its name for complaints.
    typealias Input = (bytes: [UInt8], name: String, label: Int)

    /// The records of some sightings, in order.
    ///
    /// - Parameters:
    ///   - sightings: numbers of the plan.
    ///   - input: gives a sighting's image, called on any of the threads.
    /// - Throws: the error of the first sighting that has one: `ImageError` for an image that cannot be decoded, `TrainingError.unusableTokens`
    ///   for weights that yield no numbers, what `input` throws.
    func records(of sightings: Range<Int>, _ plan: TokenizationPlan, pool: ThreadPool, input: (Int) throws -> Input) throws -> [TokenRecord] {
        let results = Mutex([Result<[TokenRecord], any Error>?](repeating: nil, count: sightings.count))
        pool.parallel(sightings.count) { index in
            let result = Result { try records(of: sightings.lowerBound + index, plan, input: input) }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { try $0.flatMap { try $0?.get() ?? [] } }
    }

    /// The records of a sighting, by K.
    func records(of sighting: Int, _ plan: TokenizationPlan, input: (Int) throws -> Input) throws -> [TokenRecord] {
        let (bytes, name, label) = try input(sighting)
        let size = transform.size
        let pixels = Tensor(uninitialised: [1, size, size, 3])
        let target = UnsafeMutableBufferPointer(start: pixels.pointer, count: pixels.count)
        try SampleDecoder(transform)(bytes, file: name, step: 0, sample: plan.image(of: sighting), into: target)
        if plan.view(of: sighting) == 1 { mirror(target, size: size) }
        let kept = plan.kept(of: sighting)
        let graph = Graph(weights: weights, pool: single)
        return try tokenizer.tokens(of: graph.constant(pixels), kept: kept).map { tokens in
            guard tokens.isFinite else { throw TrainingError.unusableTokens(file: source, image: name) }
            return try TokenRecord(
                image: plan.image(of: sighting), view: plan.view(of: sighting), label: label, tokenizerCodes: tokens.codes, owners: tokens.owners)
        }
    }
}

/// Exchanges left and right of an image `[size, size, 3]`.
func mirror(_ pixels: UnsafeMutableBufferPointer<Float>, size: Int) {
    for row in 0..<size {
        for column in 0..<size / 2 {
            let (left, right) = ((row * size + column) * 3, (row * size + size - 1 - column) * 3)
            for channel in 0..<3 { pixels.swapAt(left + channel, right + channel) }
        }
    }
}
