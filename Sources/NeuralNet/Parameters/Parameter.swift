import TensorCore

/// One learnable tensor of a model: its official name, and where it lies in the flat weight vector.
public struct Parameter: Sendable {
    /// How the elements lie in memory, against the official (PyTorch) order.
    public enum Layout: Sendable {
        /// As in the official checkpoint.
        case plain
        /// Convolution weights: here `[out, kh, kw, in]`, official `[out, in, kh, kw]`.
        case convolution
        /// Depthwise convolution weights: here `[kh, kw, C]`, official `[C, 1, kh, kw]`.
        case depthwise
    }

    /// The official state-dict name, e.g. `encoder.down.0.block.0.conv1.weight`.
    public let name: String
    /// The shape in memory.
    public let shape: Shape
    /// The shape in checkpoints.
    public let officialShape: [Int]
    public let layout: Layout
    /// The first element's position in the flat vector.
    public let offset: Int
    public let initialiser: Initialiser

    public var count: Int { shape.count }

    /// Calls `body(position in memory, position in official order)` for every element.
    private func forEachPosition(_ body: (Int, Int) -> Void) {
        switch layout {
        case .plain:
            for i in 0..<count { body(i, i) }
        case .convolution:
            let (outputs, taps, inputs) = (shape[0], shape[1] * shape[2], shape[3])
            for o in 0..<outputs {
                for k in 0..<taps {
                    for c in 0..<inputs { body((o * taps + k) * inputs + c, (o * inputs + c) * taps + k) }
                }
            }
        case .depthwise:
            let (taps, channels) = (shape[0] * shape[1], shape[2])
            for k in 0..<taps {
                for c in 0..<channels { body(k * channels + c, c * taps + k) }
            }
        }
    }

    /// The parameter's elements from the flat vector, in official order.
    public func official(from vector: Tensor) -> [Float] {
        let here = vector.slice(from: offset, shape)
        guard layout != .plain else { return here.elements }
        var values = [Float](repeating: 0, count: count)
        here.withElements { elements in
            forEachPosition { here, there in values[there] = elements[here] }
        }
        return values
    }

    /// Writes elements given in official order into the flat vector.
    public func setOfficial(_ values: [Float], in vector: Tensor) {
        precondition(values.count == count, "\(values.count) values for \(name) \(officialShape)")
        vector.slice(from: offset, shape).withElements { elements in
            if layout == .plain {
                for i in 0..<values.count { elements[i] = values[i] }
            } else {
                forEachPosition { here, there in elements[here] = values[there] }
            }
        }
    }
}
