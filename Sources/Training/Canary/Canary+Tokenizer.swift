import Checksums
import Failpoints
import Fleet
import ImageData
import MergeVQ
import NeuralNet
import TensorCore

extension Canary {
    /// Decodes the fixed image, runs a run's tokenizer over it forward and back, and notes a checksum of everything on the way: the decoded
    /// image, every layer's output (named by the layer's last weight), the losses, every weight's gradient.
    ///
    /// The weights are noise (`canaryWeights`). Networks that judge the tokenizer are left out: they are made of the same operations, and
    /// the coordinator has none of them. A run of other numbers cannot agree in all of it: one wrong bit moves every later one.
    ///
    /// - Throws: `ImageError` if this machine cannot decode the image.
    package init(_ configuration: RunConfiguration, pool: ThreadPool) throws {
        self.init()
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

        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: layout.canaryWeights, gradients: gradients, pool: pool)
        var layers: [(name: String, checksum: UInt32)] = []
        graph.observer = { layer, value in
            let checksum = value.withBytes { CRC32C.checksum($0, seed: layers.last?.name == layer ? layers.last?.checksum ?? 0 : 0) }
            if layers.last?.name == layer { layers[layers.count - 1].checksum = checksum } else { layers.append((layer, checksum)) }
        }
        let pass = tokenizer(graph.constant(images), kept: configuration.tokenizer.keptTokens.keptTokens(at: 0.5))
        let loss = tokenizer.loss(of: pass, images: images, weights: configuration.lossWeights)
        graph.observer = nil
        for layer in layers { add(layer.name, layer.checksum) }
        for (name, value) in zip(Tokenizer.termNames, loss.terms) { add("loss:" + name, value.bitPattern) }
        graph.backward(from: loss.total)
        for parameter in layout.parameters.reversed() {
            add("gradient:" + parameter.name, gradients.slice(from: parameter.offset, parameter.shape))
        }
    }

    private mutating func add(_ name: String, _ tensor: Tensor) { add(name, tensor.withBytes { CRC32C.checksum($0) }) }

    private mutating func add(_ name: String, _ number: UInt32) {
        let digits = String(number, radix: 16)
        add(name, digest: String(repeating: "0", count: 8 - digits.count) + digits)
    }
}
