import Foundation
import TensorCore
import Training

/// A file of tokens made up: 3 images in 2 views, K 4 and 9 of 16 cells.
enum TokenFileSamples {
    static let header = TokenFileHeader(
        bits: 10, grid: 4, classNames: ["a \"quoted\" class", "größer", "c"], images: 3, split: "train", views: 2, keptCounts: [4, 9],
        isKeptSampled: false, seed: 7, tokenizerConfiguration: RunConfiguration().yaml, tokenizerDigest: String(repeating: "a", count: 64),
        tokenizerWeights: "ema", tokenizerStep: 12, datasetFingerprint: String(repeating: "b", count: 64), numericClass: "a class", build: "0.0.0")

    /// The record of a number, of random codes and owners.
    static func record(_ id: Int, header: TokenFileHeader = header) throws -> TokenRecord {
        let random = Philox(seed: 3, domain: "token file samples")
        let (sighting, kept) = (id / header.recordsPerView, header.keptCounts[id % header.recordsPerView])
        // The first cells begin a slot each, the others join one.
        let owners = (0..<header.cells).map { cell in
            UInt16(cell < kept ? cell : random.integer(below: kept, step: id, sample: cell))
        }
        return try TokenRecord(
            image: sighting / header.views, view: sighting % header.views, label: (sighting / header.views) % header.classes,
            codes: (0..<kept).map { UInt32(random.integer(below: 1 << header.bits, step: id, sample: $0, draw: 1)) }, owners: owners)
    }

    static func write(_ path: String, header: TokenFileHeader = header) throws {
        try TokenFileWriter.publish(path, header: header) { try record($0, header: header) }
    }
}
