import Failpoints
import Fleet
import ImageData
import MergeVQ
import TensorCore

extension Canary {
    /// Decodes the fixed image and runs a run's tokenizer over it (`addPass`).
    ///
    /// Networks that judge the tokenizer are left out: they are made of the same operations, and the coordinator has none of them.
    ///
    /// - Throws: `ImageError` if this machine cannot decode the image.
    mutating func addTokenizer(_ configuration: RunConfiguration, pool: ThreadPool) throws {
        let configuration = configuration.tokenizerLossesOnly
        let (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        let size = configuration.model.imageSize
        let images = Tensor(uninitialised: [1, size, size, 3])
        let decoder = SampleDecoder(ImageTransform(size: size, purpose: .training))
        try decoder(
            CanaryImage.bytes, file: "the test image", step: 0, sample: 0,
            into: UnsafeMutableBufferPointer(start: images.pointer, count: images.count))
        if case .flip = Failpoints.reach(.workerCanary) { images.pointer[0] = Float(bitPattern: images.pointer[0].bitPattern ^ 1) }
        add("image", images)

        addPass(layout, termNames: Tokenizer.termNames, pool: pool) { graph in
            let pass = tokenizer(graph.constant(images), kept: configuration.tokenizer.keptTokens.keptTokens(at: 0.5))
            let loss = tokenizer.loss(of: pass, images: images, weights: configuration.lossWeights)
            return (loss.total, loss.terms)
        }
    }
}
