import Generators
import NeuralNet
import Testing

/// Parameter counts against the table of the stage-2 spec 1.1. Layouts alone: full-size weights are not allocated.
@Suite struct GeneratorSizeTests {
    private func parameters(_ change: (inout GeneratorConfiguration) -> Void) -> Int {
        var configuration = GeneratorConfiguration.large
        change(&configuration)
        return Generator.build(configuration).1.count
    }

    @Test func parametersOfLarge() {
        #expect(parameters { _ in } == 343_570_432)
        #expect(parameters { ($0.preBits, $0.postBits) = (9, 9) } == 337_147_904)
    }

    @Test func parametersOfMergeAR() {
        #expect(parameters { $0.mergeIDs = 5 } == 343_575_552)
        #expect(parameters { ($0.mergeIDs, $0.grid) = (17, 32) } == 343_587_840)
    }

    @Test func parametersOfRandAR() {
        #expect(parameters { $0.positionInstruction = true } == 343_571_456)
    }

    @Test(arguments: [
        (64, 16, 1, 176), (384, 256, 1, 1024), (512, 256, 1, 1536), (768, 256, 1, 2048), (1024, 256, 1, 2816), (1280, 256, 1, 3584), (48, 8, 1, 128),
        (64, 16, 1.3, 224), (80, 32, 1, 224), (1024, 256, 1.5, 4096),
    ])
    func hiddenWidth(_ width: Int, _ multiple: Int, _ factor: Double, _ want: Int) {
        #expect(GeneratorConfiguration.hiddenWidth(of: width, multiple: multiple, factor: factor) == want)
    }

    @Test func namesOfPublicCheckpoints() {
        var configuration = GeneratorConfiguration.tiny
        configuration.keyValueHeads = 2
        configuration.mergeIDs = 3
        configuration.positionInstruction = true
        let layout = Generator.build(configuration).1
        func shape(_ name: String) -> [Int]? { layout.parameter(named: name)?.officialShape }
        #expect(shape("pre_emb.weight") == [8, 64])
        #expect(shape("post_emb.weight") == [8, 64])
        #expect(shape("class_emb.embedding_table.weight") == [11, 64])
        #expect(shape("spatial_blocks.1.attention.wqkv.weight") == [(4 + 2 * 2) * 16, 64])
        #expect(shape("spatial_blocks.1.feed_forward.w2.weight") == [64, 176])
        #expect(shape("factorized_blocks.0.ffn_norm.weight") == [64])
        #expect(shape("head.1.weight") == [8, 64])
        #expect(shape("merge_emb.weight") == [3, 64])
        #expect(shape("pos_instruct_embeddings") == [1, 64])
    }
}
