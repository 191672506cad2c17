import MergeVQ
import Testing
import Training

/// How the shipped configurations train, against the tables of spec 1.1, 5, 6 and 7, written down here once more.
@Suite struct RecipeTests {
    struct Recipe: Sendable, CustomTestStringConvertible {
        let preset: String
        /// Of ImageNet-1k; nil for the tiny ones.
        var epochs: Int?
        let steps: Int
        let batch: Int
        let slots: Int
        /// Epochs after which the rate is a tenth; nil for a cosine to zero.
        let drops: [Int]?
        let clip: Double?
        let average: Double
        /// Weights of source recovery and alignment.
        let recovery: Double
        let alignment: Double
        let head: AlignmentHead.Kind
        let view: ViewMerging
        let draw: RunConfiguration.Merging.Draw
        let kept: [Int]
        /// By kept count, five decimals.
        let probabilities: [Double]
        /// Of 100 saw-tooth steps.
        let perHundred: [Int]
        var testDescription: String { preset }
    }

    /// Gaussian over nine and over six squares (spec 1.1).
    private static let nine = [0.10769, 0.61011, 0.10769, 0.02925, 0.02905, 0.02905, 0.02905, 0.02905, 0.02905]
    private static let six = [0.11797, 0.66836, 0.11797, 0.03204, 0.03183, 0.03183]
    private static let ninePerHundred = [11, 61, 11, 3, 3, 3, 3, 3, 2]
    private static let sixPerHundred = [12, 67, 12, 3, 3, 3]
    private static let keptOfG = [225, 256, 289, 324, 361, 400, 441, 484, 529]
    private static let keptOfGR = [121, 144, 169, 196, 225, 256]

    static let recipes = [
        Recipe(
            preset: "tokenizer-g", epochs: 270, steps: 1_351_350, batch: 256, slots: 64, drops: [230, 257], clip: nil, average: 0.999,
            recovery: 0.5, alignment: 0.1, head: .normed, view: .scaled, draw: .random, kept: keptOfG, probabilities: nine,
            perHundred: ninePerHundred),
        Recipe(
            preset: "tokenizer-gr", epochs: 270, steps: 1_351_350, batch: 256, slots: 64, drops: [230, 257], clip: nil, average: 0.999,
            recovery: 0.5, alignment: 1, head: .deep, view: .scaled, draw: .random, kept: keptOfGR, probabilities: six, perHundred: sixPerHundred),
        Recipe(
            preset: "tokenizer-r", epochs: 300, steps: 1_501_500, batch: 256, slots: 64, drops: nil, clip: 5, average: 0.999, recovery: 1,
            alignment: 1, head: .deep, view: .scaled, draw: .random, kept: [36, 49, 64, 81, 100],
            probabilities: [0.74655, 0.13177, 0.04857, 0.03731, 0.03579], perHundred: [75, 13, 5, 4, 3]),
        Recipe(
            preset: "tokenizer-g-release", epochs: 100, steps: 1_001_000, batch: 128, slots: 16, drops: [90, 100], clip: nil, average: 0.998,
            recovery: 0, alignment: 0.1, head: .normed, view: .unscaled, draw: .sawtooth, kept: keptOfG, probabilities: nine,
            perHundred: ninePerHundred),
        Recipe(
            preset: "tokenizer-gr-release", epochs: 200, steps: 1_001_000, batch: 256, slots: 16, drops: [170, 190], clip: nil, average: 0.998,
            recovery: 0, alignment: 1, head: .deep, view: .unscaled, draw: .sawtooth, kept: keptOfGR, probabilities: six,
            perHundred: sixPerHundred),
        Recipe(
            preset: "tokenizer-r-release", epochs: 270, steps: 1_351_350, batch: 256, slots: 16, drops: [220, 250], clip: 5, average: 0.998,
            recovery: 0, alignment: 1, head: .deep, view: .unscaled, draw: .sawtooth, kept: [49, 64, 81, 100, 121, 144], probabilities: six,
            perHundred: sixPerHundred),
        Recipe(
            preset: "tokenizer-g-tiny", steps: 300, batch: 64, slots: 8, drops: [], clip: nil, average: 0.99, recovery: 0.5, alignment: 0.1,
            head: .normed, view: .scaled, draw: .random, kept: [9, 16, 25, 36], probabilities: [0.12599, 0.71380, 0.12599, 0.03422],
            perHundred: [13, 71, 13, 3]),
        Recipe(
            preset: "tokenizer-gr-tiny", steps: 300, batch: 64, slots: 8, drops: [], clip: nil, average: 0.99, recovery: 0.5, alignment: 1,
            head: .deep, view: .scaled, draw: .random, kept: [25, 36, 49, 64], probabilities: [0.12599, 0.71380, 0.12599, 0.03422],
            perHundred: [13, 71, 13, 3]),
        Recipe(
            preset: "tokenizer-r-tiny", steps: 300, batch: 64, slots: 8, drops: [], clip: nil, average: 0.99, recovery: 1, alignment: 1,
            head: .deep, view: .scaled, draw: .random, kept: [9, 16, 25, 36], probabilities: [0.77426, 0.13666, 0.05038, 0.03870],
            perHundred: [78, 14, 5, 3]),
    ]

    static let images = 1_281_167

    @Test(arguments: recipes) func lengthAndBatch(_ recipe: Recipe) throws {
        let configuration = try PresetTests.configuration(recipe.preset)
        #expect(configuration.training.steps == recipe.steps && configuration.training.globalBatch == recipe.batch)
        #expect(configuration.training.slots == recipe.slots && configuration.merging.draw == recipe.draw)
        guard let epochs = recipe.epochs else { return }
        let plan = TrainingPlan(configuration: configuration, sampleCount: Self.images)
        #expect(plan.stepsPerEpoch == (recipe.batch == 256 ? 5005 : 10_010))
        #expect(plan.epochs(after: recipe.steps) == Double(epochs), "whole epochs")
    }

    @Test(arguments: recipes) func learningRate(_ recipe: Recipe) throws {
        let configuration = try PresetTests.configuration(recipe.preset)
        let optimizer = configuration.optimizer
        #expect(optimizer.beta1 == 0.5 && optimizer.beta2 == 0.9 && optimizer.weightDecay == 0 && optimizer.warmUpSteps == 0)
        #expect(optimizer.gradientClip == recipe.clip && optimizer.emaDecay == recipe.average)
        let plan = TrainingPlan(configuration: configuration, sampleCount: Self.images)
        let start = recipe.epochs == nil ? 2e-4 : 1e-4
        func expectRate(_ step: Int, _ expected: Double) {
            #expect(abs(plan.learningRate(step: step) - expected) < 1e-9 * start, "step \(step): \(plan.learningRate(step: step)), not \(expected)")
        }
        expectRate(0, start)
        guard let drops = recipe.drops else {
            // Half a cosine: half the rate half-way, a quarter of the way from there to the end 1/2 − √2/4, and nothing left at the end.
            expectRate(recipe.steps / 2, start / 2)
            expectRate(recipe.steps * 3 / 4, start * (0.5 - 2.0.squareRoot() / 4))
            #expect(plan.learningRate(step: recipe.steps - 1) < 1e-10 * start)
            return
        }
        var rate = start
        for drop in drops {
            let step = drop * plan.stepsPerEpoch
            expectRate(step - 1, rate)
            rate /= 10
            expectRate(step, rate)
        }
        if drops.isEmpty { expectRate(recipe.steps - 1, start) }
    }

    @Test(arguments: recipes) func losses(_ recipe: Recipe) throws {
        let losses = try PresetTests.configuration(recipe.preset).losses
        #expect(losses.reconstruction == 1 && losses.reconstructionNorm == .l1)
        #expect(losses.perceptual == 1 && losses.adversarial == 0.1 && losses.generatorLoss == .nonSaturating && !losses.adaptive)
        #expect(losses.lecam == 0.01 && losses.entropy == 0.1 && losses.entropyGroupBits == nil && losses.commitment == 0.25)
        #expect(losses.sourceRecovery == recipe.recovery && losses.sourceRecoveryLoss == .categorical && losses.sourceRecoveryTrainsEncoder)
        #expect(losses.alignment == recipe.alignment && losses.alignmentLoss == .divergence)
    }

    @Test(arguments: recipes) func networks(_ recipe: Recipe) throws {
        let configuration = try PresetTests.configuration(recipe.preset)
        let isTiny = recipe.epochs == nil
        let alignment = configuration.alignment
        #expect(alignment.studentHead == recipe.head && alignment.viewMerging == recipe.view)
        #expect(alignment.studentViewSize == (isTiny ? 56 : 224) && alignment.teacherViewSize == (isTiny ? 56 : 224))
        #expect(configuration.perceptual.network == (isTiny ? .random : .none) && alignment.teacher == configuration.perceptual.network)
        #expect(configuration.model.encoderStart == nil)
    }

    @Test(arguments: recipes) func keptTokens(_ recipe: Recipe) throws {
        let configuration = try PresetTests.configuration(recipe.preset)
        #expect(configuration.merging.schedule == .linear)
        let distribution = configuration.tokenizer.keptTokens
        #expect(distribution.candidates == recipe.kept && distribution.probabilities.map { ($0 * 1e5).rounded() / 1e5 } == recipe.probabilities)
        var sawtooth = configuration
        sawtooth.merging.draw = .sawtooth
        let plan = TrainingPlan(configuration: sawtooth, sampleCount: Self.images)
        for start in [0, 300, plan.stepsPerEpoch] {
            let drawn = (start..<(start + 100)).map { plan.keptTokens(step: $0) }
            #expect(recipe.kept.map { kept in drawn.count { $0 == kept } } == recipe.perHundred)
        }
    }

    /// What the comments offer instead: the paper's square schedule, and its other distributions.
    @Test(arguments: [
        ("tokenizer-g", "exponential", "256", "9", [256, 289, 324, 361, 400, 441, 484, 529, 576], [66, 11, 5, 3, 3, 3, 3, 3, 3]),
        ("tokenizer-g", "gaussian", "256", "6", [225, 256, 289, 324, 361, 400], [12, 67, 12, 3, 3, 3]),
        ("tokenizer-gr", "gaussian", "144", "5", [121, 144, 169, 196, 225], [13, 69, 12, 3, 3]),
        ("tokenizer-r", "exponential", "36", "6", [36, 49, 64, 81, 100, 121], [73, 12, 5, 4, 3, 3]),
    ])
    func otherChoices(preset: String, shape: String, target: String, count: String, kept: [Int], perHundred: [Int]) throws {
        let configuration = try PresetTests.configuration(
            preset,
            [
                "merging.distribution": shape, "merging.kept_tokens": target, "merging.candidates": count, "merging.schedule": "square",
                "merging.draw": "sawtooth",
            ])
        #expect(configuration.tokenizer.schedule == .square && configuration.tokenizer.keptTokens.candidates == kept)
        let plan = TrainingPlan(configuration: configuration, sampleCount: Self.images)
        #expect(kept.map { kept in (0..<100).count { plan.keptTokens(step: $0) == kept } } == perHundred)
    }
}
