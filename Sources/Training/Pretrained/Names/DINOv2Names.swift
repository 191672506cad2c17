/// The arrays of a DINOv2 vision transformer with patches of 14 pixels. Ours are Hugging Face's (`Dinov2Model`); timm and the original repository
/// fuse query, key and value.
package struct DINOv2Names: Sendable {
    /// The size of a transformer.
    package struct Size: Sendable, Equatable {
        package let title: String
        package let width: Int
        package let blocks: Int
        /// Patches per side of the images that the position table was trained for.
        package let grid: Int

        package init(title: String, width: Int, blocks: Int, grid: Int) {
            self.title = title
            self.width = width
            self.blocks = blocks
            self.grid = grid
        }

        /// ViT-B/14, the paper's teacher.
        package static let base = Size(title: "ViT-B/14", width: 768, blocks: 12, grid: 37)
        /// ViT-S/14.
        package static let small = Size(title: "ViT-S/14", width: 384, blocks: 12, grid: 37)
    }

    /// The class token's names: its width tells the size.
    package static let classTokens = ["embeddings.cls_token", "dinov2.embeddings.cls_token", "cls_token"]

    package let size: Size
    /// timm's arrays and what becomes of them.
    package let timm: [SourceArray]
    /// `embeddings.cls_token` …, 222 arrays for 12 blocks.
    package let expected: [ExpectedArray]

    package init(_ size: Size) {
        self.size = size
        let width = size.width
        func pair(_ timm: String, _ ours: String, _ shape: [Int]) -> [SourceArray] {
            [
                SourceArray(timm + ".weight", shape, [ours + ".weight"]),
                SourceArray(timm + ".bias", [shape[0]], [ours + ".bias"]),
            ]
        }
        var arrays = [
            SourceArray("cls_token", [1, 1, width], ["embeddings.cls_token"]),
            SourceArray("pos_embed", [1, 1 + size.grid * size.grid, width], ["embeddings.position_embeddings"]),
        ]
        arrays += pair("patch_embed.proj", "embeddings.patch_embeddings.projection", [width, 3, 14, 14])
        for block in 0..<size.blocks {
            let (timm, ours) = ("blocks.\(block)", "encoder.layer.\(block)")
            arrays += pair("\(timm).norm1", "\(ours).norm1", [width])
            for (kind, shape) in [("weight", [3 * width, width]), ("bias", [3 * width])] {
                arrays.append(
                    SourceArray(
                        "\(timm).attn.qkv.\(kind)", shape, ["query", "key", "value"].map { "\(ours).attention.attention.\($0).\(kind)" }))
            }
            arrays += pair("\(timm).attn.proj", "\(ours).attention.output.dense", [width, width])
            arrays.append(SourceArray("\(timm).ls1.gamma", [width], ["\(ours).layer_scale1.lambda1"]))
            arrays += pair("\(timm).norm2", "\(ours).norm2", [width])
            arrays += pair("\(timm).mlp.fc1", "\(ours).mlp.fc1", [4 * width, width])
            arrays += pair("\(timm).mlp.fc2", "\(ours).mlp.fc2", [width, 4 * width])
            arrays.append(SourceArray("\(timm).ls2.gamma", [width], ["\(ours).layer_scale2.lambda1"]))
        }
        arrays += pair("norm", "layernorm", [width])
        timm = arrays
        expected = arrays.flatMap { array in
            array.targets.map { ExpectedArray($0, [array.shape[0] / array.targets.count] + array.shape.dropFirst()) }
        }
    }

    package var names: WeightNames {
        let own = Spelling("Hugging Face", expected.map { SourceArray($0.name, $0.shape, [$0.name]) })
        return WeightNames(
            kind: .dinov2,
            parts: [
                NetworkPart(
                    title: "\(PretrainedKind.dinov2.title) \(size.title)", expected: expected,
                    spellings: [own, own.prefixed("dinov2."), Spelling("timm", timm)])
            ],
            harmless: [
                HarmlessNames(
                    ["mask_token", "embeddings.mask_token", "dinov2.embeddings.mask_token"], "token of masked patches, used in pretraining only"),
                HarmlessNames(["head.*", "classifier.*", "linear_head.*"], "classifier head"),
            ])
    }

    /// Arrays under our names as timm has them, query, key and value fused: row-major values by name. Arrays that are missing are left out.
    package func timmArrays(_ values: [String: [Float]]) -> [String: [Float]] {
        var fused: [String: [Float]] = [:]
        for array in timm {
            let parts = array.targets.compactMap { values[$0] }
            if parts.count == array.targets.count { fused[array.name] = parts.flatMap { $0 } }
        }
        return fused
    }
}
