/// The five 1 × 1 layers of LPIPS v0.1 on VGG16. The lpips package holds the same layers under two names, `lin0` … and `lins.0` ….
package enum LPIPSNames {
    /// Channels of the feature maps they look at.
    private static let channels = [64, 128, 256, 512, 512]

    /// `lin0.model.1.weight` …, 5 arrays.
    package static let expected: [ExpectedArray] = channels.enumerated().map { ExpectedArray("lin\($0).model.1.weight", [1, $1, 1, 1]) }

    package static let names = WeightNames(
        kind: .lpips,
        parts: [
            NetworkPart(
                title: PretrainedKind.lpips.title, expected: expected,
                spellings: [
                    Spelling("lpips", expected.map { SourceArray($0.name, $0.shape, [$0.name]) }),
                    Spelling("lpips, list of layers", expected.map { SourceArray("lins." + $0.name.dropFirst(3), $0.shape, [$0.name]) }),
                ])
        ],
        harmless: [
            HarmlessNames((0..<5).map { "lins.\($0).model.1.weight" }, "the same layers under their second name"),
            HarmlessNames(["net.slice*"], "VGG16 convolutions (--kind vgg16 or perceptual)"),
            HarmlessNames(["scaling_layer.*"], "input scaling of LPIPS, a constant of this program"),
        ])
}
