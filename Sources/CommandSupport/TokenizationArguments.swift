import ArgumentParser
import Training

/// What a file of tokens is made of: arguments of `mvq tokenize` and `mvq-coordinator --task tokenize`.
public struct TokenizationArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Tokenising: which part of the dataset.", valueName: "train|val"))
    public var split = "train"
    @Option(
        help: ArgumentHelp(
            "Tokenising: kept-token counts K, each of which every image gets, e.g. 144 or 144,196,256; or 'sampled' for one that is drawn for every image (default: the tokenizer's target).",
            valueName: "K,…|sampled"))
    public var keep: KeptChoice?
    @Option(help: ArgumentHelp("Tokenising: views of every image: 1, its centre; 2, the mirror image too.", valueName: "1|2"))
    public var views = 1
    @Option(help: ArgumentHelp("Of what is drawn: numbers of kept tokens, generated images.", valueName: "number"))
    public var seed = 0
    @Option(help: "Weights of the checkpoint: ema (averaged) or raw.")
    public var weights = TokenizerCheckpoint.Weights.ema

    public init() {}

    public func validate() throws {
        guard ["train", "val"].contains(split) else { throw ValidationError("--split is \(split); it must be train or val") }
        guard (1...2).contains(views) else { throw ValidationError("--views is \(views); it must be 1 or 2") }
        guard seed >= 0 else { throw ValidationError("--seed is \(seed); it must be 0 or more") }
    }

    /// The settings for a tokenizer.
    public func settings(for trained: TokenizerCheckpoint) -> Tokenization.Settings {
        Tokenization.Settings(
            kept: keep?.kept ?? .each([trained.configuration.merging.keptTokens]), views: views, seed: seed, split: split)
    }
}

/// Numbers of kept tokens on a command line, or that they are to be drawn.
public enum KeptChoice: ExpressibleByArgument, Sendable {
    case sampled
    case each([Int])

    public init?(argument: String) {
        if argument == "sampled" {
            self = .sampled
            return
        }
        let texts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let counts = texts.compactMap { Int($0) }
        guard counts.count == texts.count, !counts.isEmpty else { return nil }
        self = .each(counts)
    }

    var kept: TokenizationPlan.Kept {
        switch self {
        case .sampled: .sampled
        case .each(let counts): .each(counts)
        }
    }
}

extension TokenizerCheckpoint.Weights: ExpressibleByArgument {}

extension ClassChoice: ExpressibleByArgument {
    public init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        self.init(argument)
    }
}
