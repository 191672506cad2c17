import Generators
import TensorCore

/// A file of tokens that no tokenizer made, for tests, drills and benchmarks: random codes and owners, functions of the seed alone, in which the
/// class shows: the first code of an image follows from its label.
package struct MadeUpTokens {
    package var bits = 6
    package var grid = 4
    package var classes = 10
    package var images = 24
    /// A record of each, for every image.
    package var keptCounts = [16]
    package var seed = 1
    package var tokenizer = String(repeating: "0", count: 64)

    package init() {}

    package var header: TokenFileHeader {
        TokenFileHeader(
            bits: bits, grid: grid, classNames: (0..<classes).map { "class \($0)" }, images: images, split: "train", views: 1,
            keptCounts: keptCounts, isKeptSampled: false, seed: seed, tokenizerConfiguration: RunConfiguration().yaml, tokenizerDigest: tokenizer,
            tokenizerWeights: "ema", tokenizerStep: 0, datasetFingerprint: "made up", numericClass: "none", build: BuildVersion.current)
    }

    package func record(_ id: Int) throws -> TokenRecord {
        let random = Philox(seed: UInt64(seed), domain: "made-up tokens")
        let (image, kept, cells) = (id / keptCounts.count, keptCounts[id % keptCounts.count], grid * grid)
        let label = image % classes
        var codes = (0..<kept).map { Int32(random.integer(below: 1 << bits, sample: id, draw: $0)) }
        codes[0] = Int32(label % (1 << bits))
        // The first cells give every token one.
        let owners = (0..<cells).map { Int32($0 < kept ? $0 : random.integer(below: kept, step: 1, sample: id, draw: $0)) }
        return try TokenRecord(image: image, view: 0, label: label, tokenizerCodes: codes, owners: owners)
    }

    /// Writes the file.
    ///
    /// - Throws: `TokenFileError`, `FileError`
    package func write(to path: String) throws {
        try TokenFileWriter.publish(path, header: header, records: record)
    }
}
