import Generators
import NeuralNet
import Synchronization
import TensorCore
import TestKit

/// A small generator with weights larger than initial ones, so that attention is far from uniform.
struct DecodingModel {
    let generator: Generator
    let weights: Tensor
    var configuration: GeneratorConfiguration { generator.configuration }

    init(_ change: (inout GeneratorConfiguration) -> Void = { _ in }) {
        var configuration = GeneratorConfiguration.tiny
        change(&configuration)
        let layout: ParameterLayout
        (generator, layout) = Generator.build(configuration)
        weights = Tensor(uninitialised: [layout.count])
        for parameter in layout.parameters {
            let isGain = parameter.shape.rank == 1
            parameter.setOfficial(
                randomTensor(parameter.shape, key: parameter.name, scale: isGain ? 0.3 : 0.2).elements.map { isGain ? 1 + $0 : $0 }, in: weights)
        }
    }

    func graph(threads: Int = 2) -> Graph { Graph(weights: weights, pool: ThreadPool(threads: threads)) }

    func images(batch: Int = 1, threads: Int = 2) -> ImageCodeGenerator {
        ImageCodeGenerator(generator, weights: weights, batch: batch, pool: ThreadPool(threads: threads))
    }

    /// The code's two parts.
    func parts(_ codes: [Int32]) -> (pre: [Int32], post: [Int32]) {
        let factors = TokenFactors(preBits: configuration.preBits, postBits: configuration.postBits)
        let split = codes.map(factors.split)
        return (split.map { Int32($0.pre) }, split.map { Int32($0.post) })
    }

    /// Codes of which some repeat.
    func codes(_ what: Int, distinct: Int) -> [Int32] {
        let random = Philox(seed: 2, domain: "codes")
        let values = (0..<distinct).map { Int32(random.integer(below: 1 << (configuration.preBits + configuration.postBits), sample: what, draw: $0)) }
        return (0..<configuration.cells).map { values[random.integer(below: distinct, sample: what, draw: 1000 + $0)] }
    }
}

extension GenerationRequest {
    /// Greedy unless a temperature is given.
    static func test(
        _ classes: [Int32], images: [Int]? = nil, _ order: Order, temperature: Double = 0,
        guidance: (GuidanceSchedule, GuidanceSchedule) = (.constant(1), .constant(1)), seed: UInt64 = 5
    ) throws -> GenerationRequest {
        let sampler = try TokenSampler(temperature: temperature)
        return GenerationRequest(
            classes: classes, images: images ?? Array(classes.indices), order: order, pre: Part(sampler, guidance: guidance.0),
            post: Part(sampler, guidance: guidance.1), seed: seed)
    }
}

/// The scores an image's codes were chosen by, from any thread.
final class ScoreRecord: Sendable {
    private let scores = Mutex<[[Int]: [Float]]>([:])

    func add(image: Int, token: Int, part: Int, _ logits: UnsafeBufferPointer<Float>) {
        let copy = Array(logits)
        scores.withLock { $0[[image, token, part]] = copy }
    }

    /// The scores of one part of an image's codes at the given places, one after the other.
    func scores(image: Int, part: Int, tokens: some Sequence<Int>) -> [Float] {
        scores.withLock { scores in tokens.flatMap { scores[[image, $0, part]] ?? [.nan] } }
    }
}

extension ImageCodeGenerator {
    /// Generates by the request's samplers, and gives the guided scores too.
    func recorded(_ request: GenerationRequest, order: ((Int, Int) -> SlotOrder)? = nil) throws -> (codes: [[Int32]], record: ScoreRecord) {
        let record = ScoreRecord()
        let samplers = [request.pre.sampler, request.post.sampler]
        let draws = TokenDraws(seed: request.seed)
        let codes = try generate(request, order: order) { (image, token, part, logits) throws(SamplingError) in
            record.add(image: image, token: token, part: part, logits)
            return try samplers[part].token(of: logits, at: draws.uniform(image: image, token: token, subToken: part))
        }
        return (codes, record)
    }

    /// The guided scores when the codes are given: one image after the other in the order of the request, by image number.
    func scores(_ request: GenerationRequest, of codes: [[Int32]]) throws -> ScoreRecord {
        let record = ScoreRecord()
        let factors = TokenFactors(preBits: configuration.preBits, postBits: configuration.postBits)
        let places = Dictionary(uniqueKeysWithValues: zip(request.images, codes))
        _ = try generate(request) { image, token, part, logits in
            record.add(image: image, token: token, part: part, logits)
            let split = factors.split(places[image]![token])
            return part == 0 ? split.pre : split.post
        }
        return record
    }
}

/// The largest difference of two lists; infinite if they are of unlike length or hold anything but numbers.
func distance(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(a.count == b.count ? 0 : .infinity) { max($0, $1.0.isFinite && $1.1.isFinite ? abs($1.0 - $1.1) : .infinity) }
}
