import MergeVQ
import NeuralNet

/// What a run trains, as coordinator, checkpoints and audits see it: the places of its weights, and what is remembered besides.
public protocol TrainedModel: Sendable {
    /// Of all trained weights.
    var layout: ParameterLayout { get }
    /// The optimizers by name, each with its part of the vector; gradients are clipped one by one. The first is called `generator` for the
    /// sake of checkpoints: that which makes images, of a pair with a discriminator.
    var optimizers: [(name: String, range: Range<Int>)] { get }
    /// Names of what a slot's pass yields besides the gradient, the loss first.
    var termNames: [String] { get }
    /// Statistics before the first step.
    var initialStatistics: StageOneStatistics { get }
    /// Whether weight decay pulls at a parameter.
    func decays(_ parameter: Parameter) -> Bool
}

extension TrainedModel {
    public func decays(_ parameter: Parameter) -> Bool { true }

    /// The parameters of an optimizer as ranges of neighbours that decay alike.
    package func decayRanges(of optimizer: Range<Int>) -> [(range: Range<Int>, decays: Bool)] {
        var ranges: [(range: Range<Int>, decays: Bool)] = []
        for parameter in layout.parameters where optimizer.contains(parameter.offset) {
            let (start, end, decays) = (parameter.offset, parameter.offset + parameter.count, decays(parameter))
            if let last = ranges.last, last.decays == decays, last.range.upperBound == start {
                ranges[ranges.count - 1].range = last.range.lowerBound..<end
            } else {
                ranges.append((start..<end, decays))
            }
        }
        return ranges
    }
}

extension StageOneModel: TrainedModel {}
