import Checkpoints
import Foundation
import NeuralNet
import TensorCore
import Testing
import Training

/// Imported files as runs read them.
@Suite struct NetworkFileTests {
    private func withNetwork(_ body: (_ file: String, _ folder: String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try ForeignFile.write(LPIPSNames.expected, to: "\(folder)/in.safetensors")
            _ = try WeightImport(["\(folder)/in.safetensors"], kind: .lpips).write(to: "\(folder)/lpips.h5")
            try body("\(folder)/lpips.h5", folder)
        }
    }

    private func complaint(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func aLayoutGetsItsVector() throws {
        try withNetwork { file, _ in
            let (_, layout) = ParameterLayout.build { scope in
                LPIPSNames.expected[..<2].map {
                    (scope / "perceptual" / String($0.name.dropLast(".weight".count)))
                        .parameter("weight", [1, 1, 1, $0.shape[1]], officialShape: $0.shape, layout: .convolution, .zeros)
                }
            }
            let network = try NetworkFile(file: file, kind: .lpips)
            let vector = try network.vector(for: layout, prefix: "perceptual.")
            for (parameter, array) in zip(layout.parameters, LPIPSNames.expected) {
                #expect(ForeignFile.bits(parameter.official(from: vector)) == ForeignFile.bits(ForeignFile.values(array.name, array.shape)))
            }
            #expect(complaint { _ = try network.vector(for: layout) }.contains("lacks perceptual.lin0.model.1.weight [1, 64, 1, 1]"))
            let again = try NetworkFile(file: file, kind: .lpips)
            #expect(network.digest == again.digest && network.digest.count == 64)
        }
    }

    @Test func whatDoesNotFitIsNamed() throws {
        try withNetwork { file, folder in
            let network = try NetworkFile(file: file, kind: .lpips)
            let wrong = [ExpectedArray("lin0.model.1.weight", [1, 65, 1, 1])] + (0..<5).map { ExpectedArray("absent\($0)", [1]) }
            let text = complaint { _ = try network.values(of: wrong) }
            #expect(
                text.hasPrefix(
                    "\(file): lin0.model.1.weight has shape [1, 64, 1, 1], must be [1, 65, 1, 1], lacks absent0 [1], lacks absent1 [1] and 3 more; import"),
                "\(text)")
            #expect(complaint { _ = try NetworkFile(file: file, kind: .perceptual) }.contains("holds LPIPS v0.1 layers, VGG16 convolutions and"))
            #expect(complaint { _ = try NetworkFile(file: file, kind: .dinov2) }.contains("mvq import dinov2.safetensors --kind dinov2 --out dinov2.h5"))
            // A file that was not imported yet, another checkpoint, and none.
            let raw = complaint { _ = try NetworkFile(file: "\(folder)/in.safetensors", kind: .lpips) }
            #expect(raw.contains("was not written by mvq import") && raw.contains("mvq import lpips.safetensors --kind lpips"))
            try Checkpoint(step: 0, attributes: [:], arrays: []).write(to: "\(folder)/other.h5")
            #expect(complaint { _ = try NetworkFile(file: "\(folder)/other.h5", kind: .lpips) }.contains("names no kind of network"))
            #expect(complaint { _ = try NetworkFile(file: "\(folder)/absent.h5", kind: .lpips) }.contains("no such checkpoint"))
        }
    }
}
