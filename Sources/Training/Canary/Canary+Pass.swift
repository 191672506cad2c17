import Checksums
import Fleet
import NeuralNet
import TensorCore

extension Canary {
    /// What a run's model makes of a fixed sample; every machine must agree in all of it. A machine of other numbers cannot: one wrong bit moves
    /// every later one.
    ///
    /// - Throws: `ImageError` if this machine cannot decode the image.
    package init(_ configuration: RunConfiguration, pool: ThreadPool) throws {
        self.init()
        switch configuration.task {
        case .tokenizer, .tokenize: try addTokenizer(configuration, pool: pool)
        case .generator: addGenerator(configuration, pool: pool)
        case .generate:
            addGenerator(configuration, pool: pool)
            try addTokenizer(configuration, pool: pool)
        case .recovery: addRecovery(configuration, pool: pool)
        }
    }

    /// Runs a model forward and back, with weights that are noise (`canaryWeights`), and notes a checksum of everything on the way: every layer's
    /// output (named by the layer's last weight), the losses, every weight's gradient.
    mutating func addPass(
        _ layout: ParameterLayout, termNames: [String], pool: ThreadPool, loss: (Graph) -> (total: Variable, terms: [Float])
    ) {
        let gradients = Tensor(zeros: [layout.count])
        let graph = Graph(weights: layout.canaryWeights, gradients: gradients, pool: pool)
        var layers: [(name: String, checksum: UInt32)] = []
        graph.observer = { layer, value in
            let checksum = value.withBytes { CRC32C.checksum($0, seed: layers.last?.name == layer ? layers.last?.checksum ?? 0 : 0) }
            if layers.last?.name == layer { layers[layers.count - 1].checksum = checksum } else { layers.append((layer, checksum)) }
        }
        let loss = loss(graph)
        graph.observer = nil
        for layer in layers { add(layer.name, layer.checksum) }
        for (name, value) in zip(termNames, loss.terms) { add("loss:" + name, value.bitPattern) }
        graph.backward(from: loss.total)
        for parameter in layout.parameters.reversed() {
            add("gradient:" + parameter.name, gradients.slice(from: parameter.offset, parameter.shape))
        }
    }

    mutating func add(_ name: String, _ tensor: Tensor) { add(name, tensor.withBytes { CRC32C.checksum($0) }) }

    private mutating func add(_ name: String, _ number: UInt32) {
        let digits = String(number, radix: 16)
        add(name, digest: String(repeating: "0", count: 8 - digits.count) + digits)
    }
}
