import Fleet
import Generators

/// Why images cannot be generated: one line saying what, where and the mend.
public enum GenerationError: ExitCoded, Equatable, CustomStringConvertible {
    /// Codes of other widths than the tokenizer's.
    case otherBits(generator: String, bits: Int, tokenizer: String, tokenizerBits: Int)
    /// Another raster than the tokenizer's.
    case otherGrid(generator: String, grid: Int, tokenizer: String, tokenizerGrid: Int)
    /// The generator, or the source recovery, learnt the tokens of another tokenizer.
    case otherTokenizer(model: String, learnt: String, tokenizer: String, given: String)
    /// RandAR's tokens need source recovery to find their cells.
    case noSourceRecovery(tokenizer: String)
    /// The generator gives scores that are not numbers.
    case unusableLogits(generator: String)
    /// The tokenizer decodes codes to pixels that are not numbers.
    case unusablePixels(tokenizer: String, label: Int, index: Int)
    case unknownClass(String, similar: [String])
    case classOutside(Int, classes: Int)
    case noClassNames(String, generator: String)
    /// A setting that generators of this kind do not have.
    case notForKind(setting: String, kind: RunConfiguration.Generator.Kind, of: String)
    /// A number of kept tokens that this generator has not learnt.
    case otherKeptTokens(Int, learnt: Int)
    /// A schedule without the number that it needs, or a number without its schedule.
    case schedule(String)

    public var exitCode: Int32 {
        switch self {
        case .otherBits, .otherGrid, .otherTokenizer, .noSourceRecovery: ExitCode.configuration
        case .unusableLogits, .unusablePixels: ExitCode.noCheckpoint
        case .unknownClass, .classOutside, .noClassNames, .notForKind, .otherKeptTokens, .schedule: ExitCode.usage
        }
    }

    public var description: String {
        switch self {
        case .otherBits(let generator, let bits, let tokenizer, let tokenizerBits):
            "\(generator): makes codes of \(bits) bits, the tokenizer \(tokenizer) has \(tokenizerBits); give the tokenizer whose tokens it learnt"
        case .otherGrid(let generator, let grid, let tokenizer, let tokenizerGrid):
            "\(generator): makes \(grid) × \(grid) codes, the tokenizer \(tokenizer) decodes \(tokenizerGrid) × \(tokenizerGrid);"
                + " give the tokenizer whose tokens it learnt"
        case .otherTokenizer(let model, let learnt, let tokenizer, let given):
            "\(model): learnt the tokens of a tokenizer with digest \(learnt.prefix(16)), \(tokenizer) has \(given.prefix(16));"
                + " give the checkpoint and the weights (ema or raw) that made its token file"
        case .noSourceRecovery(let tokenizer):
            "\(tokenizer): has no source recovery, without which nobody knows where randar's tokens belong; train one and give it as --recovery"
        case .unusableLogits(let generator):
            "\(generator): gives scores that are not finite numbers; take an earlier checkpoint"
        case .unusablePixels(let tokenizer, let label, let index):
            "\(tokenizer): decodes image \(index) of class \(label) to pixels that are not finite numbers; take an earlier checkpoint"
        case .unknownClass(let name, let similar):
            "class \(name): the generator knows no class of this name; "
                + (similar.isEmpty ? "give its number" : "perhaps \(similar.joined(separator: " or ")), or give its number")
        case .classOutside(let label, let classes): "class \(label): the generator knows the classes 0 to \(classes - 1)"
        case .noClassNames(let name, let generator): "class \(name): \(generator) does not name its classes; give the class's number"
        case .notForKind(let setting, let kind, let of):
            "\(setting): is for generators of kind \(of), this one is of kind \(kind.rawValue); leave it out"
        case .otherKeptTokens(let count, let learnt):
            "\(count) kept tokens: this generator makes \(learnt) and no other number; leave the number out"
        case .schedule(let problem): problem
        }
    }
}

extension SamplingError: ExitCoded {
    public var exitCode: Int32 {
        switch self {
        case .unusableLogits: ExitCode.noCheckpoint
        case .ownerOutside, .tokenWithoutCell: ExitCode.badData
        default: ExitCode.usage
        }
    }
}
