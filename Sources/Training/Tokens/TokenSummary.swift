import Evaluation
import Foundation

/// What a file of tokens holds, for `mvq tokenize` and `mvq inspect`.
public struct TokenSummary: Encodable, Sendable {
    public let file: String
    public let bytes: Int
    public let records: Int
    public let images: Int
    public let split: String
    public let views: Int
    public let classes: Int
    public let bits: Int
    /// Raster cells a side.
    public let grid: Int
    /// How K was chosen: `each` of its numbers, or `sampled`.
    public let keptMode: String
    /// Keys the drawn numbers.
    public let seed: Int
    /// Records by K.
    public let kept: [String: Int]
    /// Different codes that occur.
    public let distinctCodes: Int
    /// Their share of the codebook.
    public let codebookUsage: Double
    /// 2 to the power of the codes' entropy in bits.
    public let codebookPerplexity: Double
    /// The mean over records of the share of merged tokens whose code another one of the record has too: what MergeAR takes for one.
    public let sharedCodes: Double
    public let tokenizerStep: Int
    public let tokenizerWeights: String
    public let tokenizerSha256: String
    public let datasetFingerprint: String
    public let numericClass: String
    public let build: String
    public let contentSha256: String

    /// Reads all records. Throws `TokenFileError`.
    public init(_ file: TokenFile) throws {
        let header = file.header
        self.file = file.path
        bytes = (try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int) ?? 0
        var usage = CodebookUsage(bits: header.bits)
        var kept: [Int: Int] = [:]
        var shared = 0.0
        for id in 0..<file.count {
            let record = try file.record(id)
            kept[record.kept, default: 0] += 1
            usage.add(record.codes.map { Int32(bitPattern: $0) })
            shared += 1 - Double(Set(record.codes).count) / Double(record.kept)
        }
        records = file.count
        (images, split, views, classes) = (header.images, header.split, header.views, header.classes)
        (bits, grid, seed) = (header.bits, header.grid, header.seed)
        keptMode = header.isKeptSampled ? "sampled" : "each"
        self.kept = Dictionary(uniqueKeysWithValues: kept.map { ("\($0.key)", $0.value) })
        (distinctCodes, codebookUsage, codebookPerplexity) = (usage.distinct, usage.usage, usage.perplexity)
        sharedCodes = shared / Double(file.count)
        (tokenizerStep, tokenizerWeights, tokenizerSha256) = (header.tokenizerStep, header.tokenizerWeights, header.tokenizerDigest)
        (datasetFingerprint, numericClass, build) = (header.datasetFingerprint, header.numericClass, header.build)
        contentSha256 = file.fingerprint
    }

    /// For people.
    public var text: String {
        let counts = kept.compactMap { key, value in Int(key).map { (kept: $0, records: value) } }.sorted { $0.kept < $1.kept }
        let histogram = counts.map { "\($0.records) of K \($0.kept)" }.joined(separator: ", ")
        return """
            \(file): \(records) records of \(images) images (\(split)\(views > 1 ? ", and mirrored" : "")), \(classes) classes
              tokens: \(histogram)\(keptMode == "sampled" ? " (drawn with seed \(seed))" : ""), of \(grid) × \(grid) cells
              codes: \(distinctCodes) of \(1 << bits) (\(percent(codebookUsage))), perplexity \(number(codebookPerplexity)); \
            \(percent(sharedCodes)) of an image's tokens share theirs with another
              tokenizer: step \(tokenizerStep), \(tokenizerWeights) weights \(tokenizerSha256.prefix(16)); dataset \(datasetFingerprint.prefix(16))
              made by mvq \(build), \(numericClass)
              content: \(contentSha256)
            """
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
    private func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
