import Foundation
import MergeVQ
import NeuralNet

/// Everything that defines a training run, as in a file of `configs/`. Defaults are those of the G+R-tiny tokenizer (spec 14), with the losses off
/// that need another network: which one is for a configuration to say.
public struct RunConfiguration: Sendable, Equatable {
    /// What is trained; only the sections that belong to it are read and written.
    public var task = Task.tokenizer
    /// Of all randomness of the run.
    public var seed = 1
    public var model = Model()
    public var merging = Merging()
    public var losses = Losses()
    public var perceptual = Perceptual()
    public var discriminator = Discriminator()
    public var alignment = Alignment()
    public var training = Training()
    public var optimizer = Optimizer()
    public var checkpoints = Checkpoints()
    public var evaluation = Evaluation()
    public var generator = Generator()
    public var recovery = Recovery()
    public var generation = Generation()
    public var tokens = Tokens()

    public init() {}

    /// What a run trains.
    public enum Task: String, Sendable, CaseIterable {
        /// Stage 1: images to tokens and back.
        case tokenizer
        /// Stage 2: classes to tokens.
        case generator
        /// Stage 2: source recovery on its own, from a generator's tokens to their places.
        case recovery
        /// Stage 2: nothing is trained; images of classes are made.
        case generate
        /// Nothing: a trained tokenizer makes a file of tokens (`mvq-coordinator --task tokenize`).
        case tokenize
    }

    /// The tokenizer's architecture (spec 2, 4).
    public struct Model: Sendable, Equatable {
        /// What turns the image into tokens.
        public enum Stem: String, Sendable, CaseIterable { case convolutional, patches }

        /// Side of the square images, in pixels.
        public var imageSize = 64
        public var stem = Stem.convolutional
        /// Base width of encoder and decoder, channels.
        public var channels = 16
        /// Width of every stage, in multiples of `channels`; the encoder halves the map after each but the last.
        public var channelMultipliers = [1, 2, 4, 8]
        /// Residual blocks of an encoder stage and of the decoder's last stage.
        public var residualBlocks = 1
        /// Patch side in pixels and token width of the `patches` stem.
        public var patchSize = 8
        public var patchWidth = 128
        /// Transformer blocks of encoder and decoder, each.
        public var attentionBlocks = 4
        public var encoderHeads = 4
        public var decoderHeads = 4
        /// Bits a token: the codebook has 2^bits codes.
        public var bits = 10
        /// Groups of the group norms.
        public var groups = 8
        /// Start of the LayerScale gains.
        public var layerScale = 0.1
        /// File of a larger transformer whose weights the encoder's blocks start from, by weight selection (spec 7); none for random ones.
        public var encoderStart: String?
        public var sourceRecovery = SourceRecovery()
    }

    /// The model that predicts which token a position came from (spec 4.4).
    public struct SourceRecovery: Sendable, Equatable {
        public var width = 64
        public var heads = 4
        public var crossAttentionBlocks = 1
        public var selfAttentionBlocks = 1
    }

    /// How many tokens are kept (spec 1.1, 1.2).
    public struct Merging: Sendable, Equatable {
        /// The count aimed at, K₀.
        public var keptTokens = 36
        public var distribution = KeptTokenDistribution.Shape.gaussian
        /// How many neighbouring squares are drawn from.
        public var candidates = 4
        public var schedule = MergeSchedule.linear
        public var draw = Draw.random

        /// How a step's count is drawn.
        public enum Draw: String, Sendable, CaseIterable {
            /// At random, keyed by seed and step.
            case random
            /// The official code's: u = 0.01 · (step of the epoch mod 100).
            case sawtooth
        }
    }

    /// Weights and forms of the losses (spec 5, 6); 0 leaves a loss out, and the network that only it needs.
    public struct Losses: Sendable, Equatable {
        public var reconstruction = 1.0
        public var reconstructionNorm = TokenizerLossWeights.ReconstructionNorm.l1
        /// LPIPS
        public var perceptual = 0.0
        /// The generator's adversarial loss.
        public var adversarial = 0.0
        public var generatorLoss = AdversarialLoss.Generator.nonSaturating
        /// Whether `adversarial` is a factor on 0.8 times VQGAN's adaptive weight.
        public var adaptive = false
        /// LeCam's regulariser in the discriminator's loss.
        public var lecam = 0.01
        public var entropy = 0.1
        /// Bits of a group whose batch entropy is taken apart from the others'; none for the exact entropy.
        public var entropyGroupBits: Int?
        public var commitment = 0.25
        public var sourceRecovery = 0.5
        public var sourceRecoveryLoss = TokenizerLossWeights.RecoveryLoss.categorical
        /// Whether source recovery also trains the encoder, through the codes.
        public var sourceRecoveryTrainsEncoder = true
        /// Global alignment with the teacher.
        public var alignment = 0.0
        public var alignmentLoss = AlignmentForm.divergence
    }

    /// What global alignment asks for (spec 6.3, 6.5).
    public enum AlignmentForm: String, Sendable, CaseIterable {
        /// The official code's: KL at temperature 4.
        case divergence
        /// The official code's "mse".
        case cosine
        /// DINO's, with a centre and two temperatures.
        case distillation
    }

    /// The network behind the perceptual loss.
    public struct Perceptual: Sendable, Equatable {
        /// Where its weights come from.
        public var network = NetworkSource.none
        /// Digest of the network's file; filled in when a run starts.
        public var sha256: String?
        /// Channels of its first stage; 64 in VGG16.
        public var channels = 16
    }

    /// The discriminator of the adversarial loss (spec 5).
    public struct Discriminator: Sendable, Equatable {
        public var channels = 16
        public var layers = 3
    }

    /// Global alignment: the teacher, and what it and the encoder see (spec 6).
    public struct Alignment: Sendable, Equatable {
        /// Where the teacher's weights come from.
        public var teacher = NetworkSource.none
        /// Digest of the teacher's file; filled in when a run starts.
        public var sha256: String?
        /// Pixels of a side.
        public var teacherViewSize = 56
        public var studentViewSize = 56
        public var teacherPatchSize = 14
        public var teacherWidth = 64
        public var teacherBlocks = 2
        public var teacherHeads = 4
        /// Side of the teacher's position table.
        public var teacherGrid = 4
        public var studentHead = AlignmentHead.Kind.deep
        public var viewMerging = ViewMerging.scaled
    }

    /// Where the weights of a network come from that is not trained.
    public enum NetworkSource: Sendable, Equatable {
        /// Not given: the loss that needs it must be off.
        case none
        /// Seeded random weights, a pure function of the run's seed.
        case random
        /// A file written by `mvq import`.
        case file(String)
    }

    /// How long and in what portions.
    public struct Training: Sendable, Equatable {
        public var steps = 300
        /// Images a step.
        public var globalBatch = 64
        /// Portions of the global batch that workers take, a power of two. A slot's images share their entropy statistics.
        public var slots = 8
        /// What the backward pass computes again instead of keeping it: less memory, more time, the same bits.
        public var recompute = Recomputation.none
    }

    /// AdamW (spec 7).
    public struct Optimizer: Sendable, Equatable {
        public var learningRate = 2e-4
        public var schedule = Schedule.constant
        /// Steps over which the rate rises from 0.
        public var warmUpSteps = 0
        /// Epochs at whose end schedule `steps` multiplies the rate by `dropFactor`.
        public var dropEpochs: [Int] = []
        public var dropFactor = 0.1
        /// The least share of the rate that schedule `cosine` ends with, at `training.steps`.
        public var minimumShare = 0.0
        public var beta1 = 0.5
        public var beta2 = 0.9
        public var weightDecay = 0.0
        /// Limit of the gradient's global L2 norm, of tokenizer and discriminator each, or none.
        public var gradientClip: Double?
        /// Decay of the weight average, a step.
        public var emaDecay = 0.99

        /// The course of the learning rate.
        public enum Schedule: String, Sendable, CaseIterable {
            case constant, steps, cosine
            /// The official generators': warm-up, hold, straight down to a tenth at `training.steps`.
            case holdLinear = "hold_linear"
            /// RandAR's: warm-up, half a cosine down to a twentieth at `training.steps`.
            case cosineFloor = "cosine_floor"
            /// The paper's generators': warm-up, a tenth from 80 % of `training.steps`, a hundredth from 95 %.
            case stepDrops = "step_drops"

            /// Whether the rates follow from `training.steps`.
            var endsWithSteps: Bool { self != .constant && self != .steps }
        }
    }

    /// Evaluation while training goes on (spec 9).
    public struct Evaluation: Sendable, Equatable {
        /// Steps from one evaluation to the next; 0 for none by steps.
        public var everySteps = 100
        /// Epochs from one evaluation to the next; 0 for none by epochs.
        public var everyEpochs = 0
        /// Validation images, spread evenly over the folder; 0 for all.
        public var images = 128
        /// Numbers of kept tokens; empty for all that training draws.
        public var keptTokens: [Int] = []
        /// Images in the picture.
        public var pictures = 8
        /// What the best checkpoint is best in, on the mean over the numbers of kept tokens.
        public var best = Measure.psnr

        /// A measure of reconstructions.
        public enum Measure: String, Sendable, CaseIterable { case psnr, ssim, l1, lpips }
    }

    /// When checkpoints are written and which are kept. One is always written at the start and at the end.
    public struct Checkpoints: Sendable, Equatable {
        public var everySteps = 100
        public var keepLast = 3
        /// Every such step is kept for good; 0 for none.
        public var keepEverySteps = 0
    }
}

extension RunConfiguration.Task: ConfigurationChoice {}
extension RunConfiguration.Model.Stem: ConfigurationChoice {}
extension KeptTokenDistribution.Shape: ConfigurationChoice {}
extension MergeSchedule: ConfigurationChoice {}
extension RunConfiguration.Merging.Draw: ConfigurationChoice {}
extension RunConfiguration.Optimizer.Schedule: ConfigurationChoice {}
extension RunConfiguration.AlignmentForm: ConfigurationChoice {}
extension TokenizerLossWeights.ReconstructionNorm: ConfigurationChoice {}
extension TokenizerLossWeights.RecoveryLoss: ConfigurationChoice {}
extension AdversarialLoss.Generator: ConfigurationChoice {}
extension AlignmentHead.Kind: ConfigurationChoice {}
extension ViewMerging: ConfigurationChoice {}

extension RunConfiguration.NetworkSource: ConfigurationScalar {
    static var expectation: String { "none, random, or a file written by 'mvq import'" }
    init?(yaml: ConfigurationText) {
        guard case .scalar(let text) = yaml, !text.isEmpty else { return nil }
        switch text {
        case "none": self = .none
        case "random": self = .random
        default: self = .file(text)
        }
    }
    var yaml: String {
        switch self {
        case .none: "none"
        case .random: "random"
        case .file(let path): path
        }
    }
}
extension Recomputation: ConfigurationChoice {}
extension RunConfiguration.Evaluation.Measure: ConfigurationChoice {}
