import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Fixture 01: residual blocks, strided, stem and patch convolutions, upsampler, depth to space, each with all gradients.
@Suite(.enabled(if: Fixtures.exist("01_"), Fixtures.skipped))
struct ConvolutionFixtureTests {
    @Test(arguments: try FixtureCase.all("01_"))
    func matchesGoldenValues(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let kind = fixture.settings.text("kind")
        let inputs = try arrays.shape("inputs/x")[1]
        let outputs = try arrays.shape("outputs/y")[1]
        if kind.hasPrefix("resblock") {
            let groups = fixture.settings.has("gn_groups") ? fixture.settings.integer("gn_groups") : 32
            try compareLayer(arrays) { scope in
                let block = ResidualBlock(scope, inputs: inputs, outputs: outputs, groups: groups)
                return { block($0) }
            }
        } else if kind.hasPrefix("conv3x3 pad 1 no bias") {
            try compareLayer(arrays) { scope in
                let layer = Convolution2D(scope, inputs: inputs, outputs: outputs, bias: false)
                return { layer($0) }
            }
        } else if kind.hasPrefix("conv3x3 stride 2") {
            try compareLayer(arrays) { scope in
                let layer = Convolution2D(scope, inputs: inputs, outputs: outputs, stride: 2, bias: true)
                return { layer($0) }
            }
        } else if kind.hasPrefix("patch conv") {
            let kernel = try hashedShape(arrays, "0.weight")[2]
            try compareLayer(arrays) { scope in
                let projection = Convolution2D(
                    scope / 0, inputs: inputs, outputs: outputs, kernel: kernel, stride: kernel, padding: 0, bias: true)
                let norm = GroupNorm(scope / 1, channels: outputs, groups: outputs)
                return { norm(projection($0)) }
            }
        } else if kind.hasPrefix("conv3x3 C->4C") {
            try compareLayer(arrays) { scope in
                let layer = Upsampler(scope, channels: inputs)
                return { layer($0) }
            }
        } else if kind.hasPrefix("depth-to-space") {
            try compareLayer(arrays) { _ in { $0.depthToSpace() } }
        } else {
            Issue.record("no layer is known for the kind '\(kind)'")
        }
    }
}
