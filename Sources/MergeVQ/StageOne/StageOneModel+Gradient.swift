import NeuralNet
import TensorCore

/// The images of a slot as the losses want them.
public struct StageOneBatch {
    /// `[B, H, W, 3]` in [−1, 1]
    public let images: Tensor
    /// What the student sees in the alignment, `[B, H′, W′, 3]` in [−1, 1], and the teacher's features of its own views, `[B, width]`.
    public let alignment: (views: Tensor, features: Tensor)?

    public init(images: Tensor, alignment: (views: Tensor, features: Tensor)? = nil) {
        self.images = images
        self.alignment = alignment
    }
}

/// What a pass over a slot yields besides the gradient.
public struct StageOneResult {
    /// By `StageOneModel.termNames`, means over the batch.
    public let terms: [Float]
    /// For `StageOneStatistics`, summed over the batch.
    public let statisticSums: [Float]
    /// The tokenizer's pass; its history is gone.
    public let pass: Tokenizer.Pass
}

extension StageOneModel {
    /// Adds a slot's gradient, times its number of images, to `gradients`: the generator's losses for the tokenizer, the discriminator's for the
    /// discriminator, both from the same weights (spec 5.1; the official code's leak of one into the other is not copied).
    ///
    /// Everything that looks at the reconstruction is walked back to it first and forgotten, then the rest of the tokenizer with it: the
    /// perceptual network and the discriminator are never in memory together with the decoder's backward pass.
    ///
    /// - Parameters:
    ///   - weights: `[layout.count]`
    ///   - statistics: before the step.
    ///   - perceptualWeights: of `perceptual`, `[perceptual.layout.count]`, if there is one.
    ///   - kept: how many tokens to keep of every image.
    ///   - gradients: `[layout.count]`, added to.
    public func addGradient(
        of batch: StageOneBatch, weights: Tensor, statistics: StageOneStatistics, perceptualWeights: Tensor?, kept: Int,
        into gradients: Tensor, recomputation: Recomputation = .none, pool: ThreadPool
    ) -> StageOneResult {
        let graph = Graph(weights: weights, gradients: gradients, recomputation: recomputation, pool: pool)
        let images = batch.images
        let count = Float(images.shape[0])
        let losses = configuration.losses
        let pass: Tokenizer.Pass
        var lastHidden: Variable?
        (pass, lastHidden) = tokenizer.passWithLastHidden(graph.constant(images), kept: kept)

        // What looks at the reconstruction, back to it.
        var imageTerms: [LossTerm] = []
        var imageGradient = slope(at: pass.image) { image in
            imageTerms.append(tokenizer.reconstructionTerm(of: image, images: images, weights: losses.tokenizer))
            if let perceptual, let perceptualWeights {
                let distance = perceptual.network.mean(of: image, to: images, weights: perceptualWeights)
                imageTerms.append(LossTerm("perceptual", weight: losses.perceptual, distance))
            }
            return .weightedSum(imageTerms.compactMap(\.weighted))
        }
        var adversarial: (term: Float, weight: Float)?
        if let discriminator {
            var loss: Float = 0
            let slope = slope(at: pass.image) { image in
                let term = losses.adversarialForm.generatorLoss(graph.frozen { discriminator(image) }.logits)
                loss = term.value.scalar
                return term
            }
            var weight = losses.adversarial
            if losses.adaptive, let lastHidden {
                func norm(_ slope: Tensor) -> Double {
                    tokenizer.decoder.lastWeightGradient(slope, hidden: lastHidden.value, pool: pool).sumOfSquares(pool: pool).squareRoot()
                }
                weight *= Float(
                    AdversarialLoss.adaptiveWeight(reconstructionGradientNorm: norm(imageGradient), generatorGradientNorm: norm(slope)))
            }
            imageGradient = imageGradient.adding(slope.scaled(by: weight, pool: pool), pool: pool)
            adversarial = (loss, weight)
        }
        lastHidden = nil

        // The tokenizer.
        var terms = tokenizer.codeTerms(of: pass, weights: losses.tokenizer)
        if let (views, features) = batch.alignment {
            let feature = tokenizer.alignmentFeature(graph.constant(views), kept: kept, merging: losses.viewMerging)
            terms.append(
                LossTerm("alignment", weight: losses.alignment, losses.alignmentForm(feature, teacher: features, centre: statistics.centre)))
        }
        let weighted = terms.compactMap(\.weighted)
        graph.backward(from: .weightedSum([(1, pass.image.inner(imageGradient))] + weighted), seed: Tensor([count], [1]))

        terms = imageTerms + terms
        let total = terms.reduce((adversarial.map { $0.term * $0.weight }) ?? 0) { $0 + $1.weight * $1.value }
        terms.append(LossTerm("loss", showing: total))
        var sums: [Float] = []
        if let discriminator, let statistics = statistics.discriminator, let adversarial {
            let real = discriminator(graph.constant(images))
            let fake = discriminator(graph.constant(pass.image.value))
            let loss = losses.adversarialForm.discriminatorLoss(real: real.logits, fake: fake.logits, averages: statistics.lecam)
            sums = statistics.sums(real: real, fake: fake, images: images.shape[0])
            let logits = sums.suffix(2).map { $0 / count }
            terms += [
                LossTerm("generator", showing: adversarial.term), LossTerm("adversarial_weight", showing: adversarial.weight),
                LossTerm("discriminator", showing: loss.total.value.scalar), LossTerm("discriminator_hinge", showing: loss.hinge),
                LossTerm("lecam", showing: loss.lecam), LossTerm("logit_real", showing: logits[0]), LossTerm("logit_fake", showing: logits[1]),
            ]
            graph.backward(from: loss.total, seed: Tensor([count], [1]))
        }
        if let centre = statistics.centre, let features = batch.alignment?.features {
            let sum = Tensor(zeros: centre.values.shape)
            features.columnSums(into: sum, beta: 0, pool: pool)
            sums += sum.elements
        }
        return StageOneResult(terms: LossTerm.values(of: terms, by: termNames), statisticSums: sums, pass: pass)
    }

    /// The gradient of a loss of the reconstruction alone, `[B, H, W, 3]`.
    private func slope(at image: Variable, _ loss: (Variable) -> Variable) -> Tensor {
        let leaf = image.graph.input(image.value)
        image.graph.backward(from: loss(leaf))
        return leaf.gradient ?? Tensor(zeros: image.shape)
    }
}
