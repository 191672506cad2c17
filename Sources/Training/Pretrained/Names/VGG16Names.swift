/// The thirteen convolutions of VGG16: torchvision numbers them in its list of layers, LPIPS by slice and the same number.
package enum VGG16Names {
    /// Slice, number in torchvision's list, input and output channels.
    private static let convolutions = [
        (1, 0, 3, 64), (1, 2, 64, 64),
        (2, 5, 64, 128), (2, 7, 128, 128),
        (3, 10, 128, 256), (3, 12, 256, 256), (3, 14, 256, 256),
        (4, 17, 256, 512), (4, 19, 512, 512), (4, 21, 512, 512),
        (5, 24, 512, 512), (5, 26, 512, 512), (5, 28, 512, 512),
    ]

    /// `net.slice1.0.weight` …, 26 arrays.
    package static let expected: [ExpectedArray] = convolutions.flatMap { slice, number, inputs, outputs in
        [
            ExpectedArray("net.slice\(slice).\(number).weight", [outputs, inputs, 3, 3]),
            ExpectedArray("net.slice\(slice).\(number).bias", [outputs]),
        ]
    }

    package static let names = WeightNames(
        kind: .vgg16,
        parts: [
            NetworkPart(
                title: PretrainedKind.vgg16.title, expected: expected,
                spellings: [
                    Spelling("torchvision", expected.map { SourceArray(torchvision($0.name), $0.shape, [$0.name]) }),
                    Spelling("LPIPS", expected.map { SourceArray($0.name, $0.shape, [$0.name]) }),
                ])
        ],
        harmless: [
            HarmlessNames(["classifier.*", "pre_logits.*", "head.*"], "classifier head"),
            HarmlessNames(["lin0.*", "lin1.*", "lin2.*", "lin3.*", "lin4.*", "lins.*"], "layers of LPIPS (--kind lpips or perceptual)"),
            HarmlessNames(["scaling_layer.*"], "input scaling of LPIPS, a constant of this program"),
        ])

    /// `net.slice1.0.weight` → `features.0.weight`
    private static func torchvision(_ name: String) -> String {
        "features." + name.split(separator: ".").dropFirst(2).joined(separator: ".")
    }
}
