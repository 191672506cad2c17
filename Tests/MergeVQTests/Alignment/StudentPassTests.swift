import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The second pass of the encoder, over the student's view.
@Suite struct StudentPassTests {
    private func configuration(_ stem: StemConfiguration? = nil) -> TokenizerConfiguration {
        var configuration = grTiny
        if let stem { configuration.encoder.stem = stem }
        configuration.encoder.alignment = .init(kind: .deep, outputs: 24)
        return configuration
    }

    /// Spec 14, row 12: views of 7×7 tokens lose round(m · 49/64) of them.
    @Test func mergesAreScaledToTheView() {
        for (kept, merged) in [(64, 0), (49, 11), (36, 21), (25, 30), (16, 37), (9, 42)] {
            let counts = MergeSchedule.linear.viewMergeCounts(length: 49, fullLength: 64, kept: kept, layers: 4, merging: .scaled)
            #expect(counts.reduce(0, +) == merged, "keeping \(kept)")
            #expect(counts == MergeSchedule.linear.mergeCounts(length: 49, kept: 49 - merged, layers: 4), "keeping \(kept)")
        }
        // A view of the image's size is merged as the image is.
        for merging in ViewMerging.allCases {
            #expect(
                MergeSchedule.square.viewMergeCounts(length: 256, fullLength: 256, kept: 144, layers: 12, merging: merging)
                    == MergeSchedule.square.mergeCounts(length: 256, kept: 144, layers: 12))
        }
    }

    @Test("every view keeps a token, in every layer no more than allowed is merged")
    func smallViews() {
        for merging in ViewMerging.allCases {
            for length in [1, 2, 3, 4, 9, 16] {
                let counts = MergeSchedule.linear.viewMergeCounts(length: length, fullLength: 256, kept: 1, layers: 12, merging: merging)
                var tokens = length + 1
                for count in counts {
                    #expect(count >= 0 && count <= (tokens - 1) / 2, "\(merging) of \(length)")
                    tokens -= count
                }
                #expect(tokens >= 2, "\(merging) of \(length)")
            }
        }
    }

    @Test(arguments: [StemConfiguration.convolutional(channels: 16, multipliers: [1, 2, 4, 8], residualBlocks: 1), .patches(size: 8, width: 128)])
    func classTokenOfTheViewThroughTheHead(_ stem: StemConfiguration) throws {
        let configuration = configuration(stem)
        let (tokenizer, layout) = Tokenizer.build(configuration)
        let head = try #require(tokenizer.encoder.alignmentHead)
        let graph = Graph(weights: layout.initialWeights(seed: 1), pool: ThreadPool(threads: 1))
        for (size, merging) in [(56, ViewMerging.scaled), (56, .unscaled), (64, .scaled), (24, .unscaled), (8, .scaled)] {
            let views = graph.constant(randomTensor([2, size, size, 3], key: "views"))
            let feature = tokenizer.alignmentFeature(views, kept: 25, merging: merging)
            #expect(feature.shape == [2, 24] && feature.value.isFinite)
            let length = size / 8 * (size / 8)
            let counts =
                merging == .scaled
                ? MergeSchedule.linear.mergeCounts(length: length, kept: max(1, length - Int((39 * Double(length) / 64).rounded())), layers: 4)
                : MergeSchedule.linear.mergeCounts(length: 64, kept: 25, layers: 4)
            let tokens = tokenizer.encoder(views, mergeCounts: counts)
            #expect(feature.value.elements == head(tokenizer.encoder.classToken(of: tokens)).value.elements, "\(size) \(merging)")
        }
    }

    /// The first pass's owners and image stay what they are, and the gradients of both passes add up.
    @Test func theFirstPassIsNotDisturbed() throws {
        let (tokenizer, layout) = Tokenizer.build(configuration())
        let weights = layout.initialWeights(seed: 2)
        let pool = ThreadPool(threads: 1)
        let images = randomTensor([2, 64, 64, 3], key: "images")
        let views = randomTensor([2, 56, 56, 3], key: "views")
        let teacher = randomTensor([2, 24], key: "teacher", scale: 3)
        func run(first: Bool, second: Bool, recomputation: Recomputation = .none) -> (gradients: [Float], owners: [Int32], image: [Float]) {
            let gradients = Tensor(zeros: [layout.count])
            let graph = Graph(weights: weights, gradients: gradients, recomputation: recomputation, pool: pool)
            var terms: [(weight: Float, loss: Variable)] = []
            var (owners, image): ([Int32], [Float]) = ([], [])
            let pass = first ? tokenizer(graph.constant(images), kept: 36) : nil
            if second {
                let feature = tokenizer.alignmentFeature(graph.constant(views), kept: 36)
                terms.append((0.5, AlignmentLoss.standard(feature, teacher: teacher)))
            }
            if let pass {
                (owners, image) = (pass.owners, pass.image.value.elements)
                terms.append((1, tokenizer.loss(of: pass, images: images, weights: TokenizerLossWeights()).total))
            }
            graph.backward(from: Variable.weightedSum(terms))
            return (gradients.elements, owners, image)
        }
        let (alone, alignment, both) = (run(first: true, second: false), run(first: false, second: true), run(first: true, second: true))
        let isUndisturbed = both.owners == alone.owners && both.image == alone.image
        #expect(isUndisturbed, "owners and image of the first pass")
        let isSame = run(first: true, second: true, recomputation: .blocks).gradients == both.gradients
        #expect(isSame, "recomputation moves no bit")
        let scale = both.gradients.reduce(Float(0)) { max($0, abs($1)) }
        for i in both.gradients.indices where abs(both.gradients[i] - alone.gradients[i] - alignment.gradients[i]) > 1e-5 * scale {
            Issue.record("gradient \(i): \(both.gradients[i]), of the parts \(alone.gradients[i]) and \(alignment.gradients[i])")
            break
        }
        // Alignment trains stem, blocks, class token and head; the projection to codes and the decoder have no part in it.
        for parameter in layout.parameters {
            let values = alignment.gradients[parameter.offset..<(parameter.offset + parameter.count)]
            let isOutside = ["decoder.", "source_recovery.", "encoder.norm_out.", "encoder.conv_out."].contains { parameter.name.hasPrefix($0) }
            #expect(values.contains { $0 != 0 } != isOutside, "\(parameter.name)")
        }
    }

    /// The loss against a central difference along the head's gradient; the encoder's would flip merge decisions.
    @Test func gradientThroughTheHead() throws {
        let (tokenizer, layout) = Tokenizer.build(configuration())
        let weights = layout.initialWeights(seed: 2)
        let views = randomTensor([2, 56, 56, 3], key: "views")
        let teacher = randomTensor([2, 24], key: "teacher", scale: 3)
        func loss(_ weights: Tensor, _ gradients: Tensor?) -> Double {
            let graph = Graph(weights: weights, gradients: gradients, pool: ThreadPool(threads: 1))
            let loss = AlignmentLoss.standard(tokenizer.alignmentFeature(graph.constant(views), kept: 36), teacher: teacher)
            if gradients != nil { graph.backward(from: loss) }
            return Double(loss.value.scalar)
        }
        let gradients = Tensor(zeros: [layout.count])
        _ = loss(weights, gradients)
        for name in ["encoder.dist_head.0.weight", "encoder.dist_head.4.bias"] {
            let parameter = try #require(layout.parameter(named: name))
            let gradient = parameter.official(from: gradients)
            let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            func moved(_ sign: Double) -> Double {
                let copy = weights.copied()
                parameter.setOfficial(zip(parameter.official(from: weights), gradient).map { $0 + Float(sign * 0.05 / norm) * $1 }, in: copy)
                return loss(copy, nil)
            }
            let numeric = (moved(1) - moved(-1)) / 0.1
            #expect(abs(numeric - norm) < 0.02 * norm + 1e-4, "\(name): difference \(numeric), gradient \(norm)")
        }
    }
}

/// Fixture 13: the counts of 224-pixel views under the official code.
@Suite(.enabled(if: Fixtures.exist("13_"), Fixtures.skipped))
struct CappedViewFixtureTests {
    private struct File: Decodable {
        struct Capped: Decodable {
            let K: Int
            let view_tokens: Int
            let applied: [Int]
            let final_image_tokens: Int
        }

        let capped_224_view: [Capped]?
    }

    @Test func unscaledCountsAreTheOfficialOnes() throws {
        var checked = 0
        for name in Fixtures.files("13_") where name.hasSuffix(".json") {
            let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: Fixtures.folder.appendingPathComponent(name)))
            for capped in file.capped_224_view ?? [] {
                let counts = MergeSchedule.linear.viewMergeCounts(
                    length: capped.view_tokens, fullLength: capped.view_tokens * 64 / 49, kept: capped.K, layers: capped.applied.count,
                    merging: .unscaled)
                #expect(counts == capped.applied, "K \(capped.K)")
                #expect(capped.view_tokens - counts.reduce(0, +) == capped.final_image_tokens, "K \(capped.K)")
                checked += 1
            }
        }
        #expect(checked > 0, "no capped counts in the fixture")
    }
}
