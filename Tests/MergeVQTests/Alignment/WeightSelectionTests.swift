import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The rule by the numbers of spec 13, names, and what is refused.
@Suite struct WeightSelectionTests {
    private let teacherConfiguration = VisionTransformerConfiguration(patchSize: 8, width: 48, blocks: 3, heads: 3, grid: 4)

    private func student(width: Int, blocks: Int) -> ParameterLayout {
        ParameterLayout.build { scope in
            Encoder(
                scope / "encoder",
                EncoderConfiguration(stem: .patches(size: 8, width: width), blocks: blocks, heads: 4, bits: 10, groups: 8, layerScale: 0.1))
        }.1
    }

    /// A teacher's tensors under Hugging Face's names.
    private func teacherTensors() -> [String: Tensor] {
        let (_, layout) = VisionTransformer.build(teacherConfiguration)
        let weights = randomTensor([layout.count], key: "teacher")
        return Dictionary(
            uniqueKeysWithValues: layout.parameters.map { ($0.name, Tensor($0.official(from: weights), Shape($0.officialShape))) })
    }

    @Test func indicesOfTheSpecification() {
        let narrow = WeightSelection.indices(of: 768, count: 512)
        #expect(narrow.prefix(12) == [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17] && narrow.suffix(4) == [762, 764, 765, 767])
        let packed = WeightSelection.indices(of: 2304, count: 1536)
        #expect(packed[0..<3] == [0, 2, 3] && packed[511..<514] == [767, 768, 770] && packed[1023..<1026] == [1535, 1536, 1538])
        #expect(packed.last == 2303)
        #expect(WeightSelection.indices(of: 6, count: 3) == [0, 2, 4] && WeightSelection.indices(of: 5, count: 1) == [0])
    }

    /// Query, key and value of every block are selected apart, from a teacher read under Hugging Face's names.
    @Test func aTeacherOfOurOwnNames() throws {
        let tensors = teacherTensors()
        let layout = student(width: 32, blocks: 2)
        let weights = layout.initialWeights(seed: 1)
        try WeightSelection.apply(WeightSelection.timmNames(tensors), to: weights, layout: layout)
        let axis = WeightSelection.indices(of: 48, count: 32)
        func teacher(_ name: String) throws -> [Float] { try #require(tensors["teacher." + name]).elements }
        func got(_ name: String) throws -> [Float] { try #require(layout.parameter(named: "encoder.attn." + name)).official(from: weights) }
        #expect(try got("cls_token") == axis.map { i in try teacher("embeddings.cls_token")[i] })
        for block in 0..<2 {
            var (rows, biases): ([Float], [Float]) = ([], [])
            for part in ["query", "key", "value"] {
                let layer = "encoder.layer.\(block).attention.attention.\(part)"
                let (weight, bias) = (try teacher("\(layer).weight"), try teacher("\(layer).bias"))
                rows += axis.flatMap { row in axis.map { weight[row * 48 + $0] } }
                biases += axis.map { bias[$0] }
            }
            #expect(try got("blocks.\(block).attn.qkv.weight") == rows)
            #expect(try got("blocks.\(block).attn.qkv.bias") == biases)
            for (ours, theirs) in [
                ("ls1.gamma", "layer_scale1.lambda1"), ("ls2.gamma", "layer_scale2.lambda1"), ("norm2.bias", "norm2.bias"),
                ("attn.proj.bias", "attention.output.dense.bias"),
            ] {
                let values = try teacher("encoder.layer.\(block).\(theirs)")
                #expect(try got("blocks.\(block).\(ours)") == axis.map { values[$0] }, "\(ours)")
            }
            let wide = WeightSelection.indices(of: 192, count: 128)
            let weight = try teacher("encoder.layer.\(block).mlp.fc2.weight")
            #expect(try got("blocks.\(block).mlp.fc2.weight") == axis.flatMap { row in wide.map { weight[row * 192 + $0] } })
        }
    }

    /// A teacher of the student's size is copied.
    @Test func equalSizesAreCopied() throws {
        let tensors = try WeightSelection.timmNames(teacherTensors())
        let layout = student(width: 48, blocks: 3)
        let weights = layout.initialWeights(seed: 1)
        try WeightSelection.apply(tensors, to: weights, layout: layout)
        for (name, tensor) in tensors {
            let isSame = try #require(layout.parameter(named: "encoder.attn." + name)).official(from: weights) == tensor.elements
            #expect(isSame, "\(name)")
        }
    }

    /// Refusals name tensor and shapes, and leave the student as it was.
    @Test func whatDoesNotFitIsRefused() throws {
        let tensors = try WeightSelection.timmNames(teacherTensors())
        func refused(_ tensors: [String: Tensor], _ layout: ParameterLayout, scope: String = "encoder.attn") -> WeightSelectionError? {
            let before = layout.initialWeights(seed: 1)
            let weights = before.copied()
            do throws(WeightSelectionError) {
                try WeightSelection.apply(tensors, to: weights, layout: layout, scope: scope)
                return nil
            } catch {
                let isUntouched = weights.elements == before.elements
                #expect(isUntouched, "\(error) but the weights have changed")
                return error
            }
        }
        #expect(refused(tensors, student(width: 32, blocks: 3)) == nil)
        let deeper = try #require(refused(tensors, student(width: 32, blocks: 4)))
        #expect(deeper == .missing(tensor: "blocks.3.norm1.weight", parameter: "encoder.attn.blocks.3.norm1.weight"))
        #expect("\(deeper)".contains("blocks.3.norm1.weight"))
        let wider = try #require(refused(tensors, student(width: 64, blocks: 3)))
        #expect(wider == .shape(tensor: "cls_token", shape: [1, 1, 48], parameter: "encoder.attn.cls_token", wanted: [1, 1, 64]))
        #expect("\(wider)".contains("[1, 1, 48]") && "\(wider)".contains("[1, 1, 64]"))
        var flat = tensors
        flat["blocks.2.mlp.fc1.weight"] = Tensor(zeros: [192 * 48])
        #expect(
            refused(flat, student(width: 32, blocks: 3))
                == .shape(
                    tensor: "blocks.2.mlp.fc1.weight", shape: [192 * 48], parameter: "encoder.attn.blocks.2.mlp.fc1.weight",
                    wanted: [128, 32]))
        #expect(refused(tensors, student(width: 32, blocks: 3), scope: "decoder.attn") == .noParameters(scope: "decoder.attn"))
        var unpaired = teacherTensors()
        unpaired["teacher.encoder.layer.1.attention.attention.key.bias"] = nil
        #expect(
            throws: WeightSelectionError.missing(
                tensor: "teacher.encoder.layer.1.attention.attention.key.bias",
                parameter: "teacher.encoder.layer.1.attention.attention.query.bias")
        ) { try WeightSelection.timmNames(unpaired) }
    }
}
