import Checkpoints
import Foundation
import MergeVQ

/// What a file of tokens says about all its records: of which images and by which tokenizer they are.
public struct TokenFileHeader: Sendable, Equatable {
    /// Bits of a code.
    public var bits: Int
    /// Raster cells a side, √L.
    public var grid: Int
    /// The classes' names; a label is a position in it.
    public var classNames: [String]
    /// Images of the dataset.
    public var images: Int
    /// Part of the dataset: `train` or `val`.
    public var split: String
    /// Views of every image: 1 (centre crop) or 2 (and its mirror image).
    public var views: Int
    /// The numbers of kept tokens, K, ascending: every (image, view) has a record of each of them, or one of a K drawn from them.
    public var keptCounts: [Int]
    /// Whether K was drawn.
    public var isKeptSampled: Bool
    /// Keys the drawn numbers.
    public var seed: Int
    /// The tokenizer's configuration, YAML.
    public var tokenizerConfiguration: String
    /// SHA-256 of the tokenizer's weights.
    public var tokenizerDigest: String
    /// Which weights they are: `ema` or `raw`.
    public var tokenizerWeights: String
    /// Steps that they were trained.
    public var tokenizerStep: Int
    /// What identifies the dataset (`ImageFolder.fingerprint`).
    public var datasetFingerprint: String
    /// What decides the last bits of the arithmetic (`NumericEnvironment.numericClass`).
    public var numericClass: String
    /// The release of the program.
    public var build: String

    package init(
        bits: Int, grid: Int, classNames: [String], images: Int, split: String, views: Int, keptCounts: [Int], isKeptSampled: Bool, seed: Int,
        tokenizerConfiguration: String, tokenizerDigest: String, tokenizerWeights: String, tokenizerStep: Int, datasetFingerprint: String,
        numericClass: String, build: String
    ) {
        (self.bits, self.grid, self.classNames, self.images, self.split, self.views) = (bits, grid, classNames, images, split, views)
        (self.keptCounts, self.isKeptSampled, self.seed) = (keptCounts, isKeptSampled, seed)
        (self.tokenizerConfiguration, self.tokenizerDigest) = (tokenizerConfiguration, tokenizerDigest)
        (self.tokenizerWeights, self.tokenizerStep) = (tokenizerWeights, tokenizerStep)
        (self.datasetFingerprint, self.numericClass, self.build) = (datasetFingerprint, numericClass, build)
    }

    /// Raster cells, L.
    public var cells: Int { grid * grid }
    /// Number of classes.
    public var classes: Int { classNames.count }
    /// Records of one image and view.
    public var recordsPerView: Int { isKeptSampled ? 1 : keptCounts.count }
    /// Records of the whole file: image after image, view after view, K after K.
    public var records: Int { images * views * recordsPerView }
    /// The largest number of kept tokens.
    public var mostKept: Int { keptCounts[keptCounts.count - 1] }

    /// The tokenizer that the tokens belong to, without weights.
    ///
    /// - Throws: `ConfigurationError` if the stored configuration cannot be read.
    public func tokenizer(of file: String) throws -> TokenizerConfiguration {
        try RunConfiguration(yaml: tokenizerConfiguration, file: "\(file) (tokenizer_config)").tokenizer
    }
}

// As attributes of the file's root. Lists are JSON texts: HDF5 checksums texts of fixed length, and any language reads them.
extension TokenFileHeader {
    static let format = "mergevq-tokens"
    static let version = 1

    /// Names and values, without format, version and digest.
    var attributes: [String: AttributeValue] {
        [
            "bits": .integer(bits), "grid": .integer(grid), "cells": .integer(cells), "class_names": .string(TokenFileHeader.json(classNames)),
            "images": .integer(images), "split": .string(split), "views": .integer(views),
            "kept_counts": .string(TokenFileHeader.json(keptCounts)), "kept_mode": .string(isKeptSampled ? "sampled" : "each"),
            "seed": .integer(seed), "tokenizer_config": .string(tokenizerConfiguration), "tokenizer_sha256": .string(tokenizerDigest),
            "tokenizer_weights": .string(tokenizerWeights), "tokenizer_step": .integer(tokenizerStep),
            "dataset_fingerprint": .string(datasetFingerprint), "numeric_class": .string(numericClass), "build": .string(build),
        ]
    }

    /// What `attributes` made.
    ///
    /// - Throws: `TokenFileError.damaged`, `HDF5Error` if one is missing or makes no sense.
    init(_ reader: HDF5Reader) throws {
        func text(_ name: String) throws -> String { try reader.stringAttribute(name, of: "/") }
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
            let value = try reader.integerAttribute(name, of: "/")
            guard range.contains(value) else { throw TokenFileError.damaged(file: reader.file, reason: "its attribute \(name) is \(value)") }
            return value
        }
        func list<Element: Decodable>(_ name: String, of type: Element.Type) throws -> [Element] {
            guard let list = try? JSONDecoder().decode([Element].self, from: Data(text(name).utf8)), !list.isEmpty else {
                throw TokenFileError.damaged(file: reader.file, reason: "its attribute \(name) is no list")
            }
            return list
        }
        bits = try number("bits", 1...30)
        grid = try number("grid", 1...255)
        classNames = try list("class_names", of: String.self)
        images = try number("images", 1...Int(UInt32.max))
        split = try text("split")
        views = try number("views", 1...2)
        keptCounts = try list("kept_counts", of: Int.self)
        isKeptSampled = try text("kept_mode") == "sampled"
        seed = try number("seed", 0...Int.max)
        tokenizerConfiguration = try text("tokenizer_config")
        tokenizerDigest = try text("tokenizer_sha256")
        tokenizerWeights = try text("tokenizer_weights")
        tokenizerStep = try number("tokenizer_step", 0...Int.max)
        datasetFingerprint = try text("dataset_fingerprint")
        numericClass = try text("numeric_class")
        build = try text("build")
        guard zip(keptCounts, keptCounts.dropFirst()).allSatisfy({ $0 < $1 }), keptCounts[0] >= 1, keptCounts[keptCounts.count - 1] <= cells else {
            throw TokenFileError.damaged(file: reader.file, reason: "its attribute kept_counts is not ascending within 1 to \(cells)")
        }
    }

    private static func json(_ list: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(list)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }
}

extension TokenFileHeader {
    /// The attributes on one line, sorted.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(attributes), as: UTF8.self)
    }

    /// The first attribute in which another header differs from this one, for people; nil for an equal one.
    func difference(from other: TokenFileHeader) -> String? {
        let theirs = other.attributes
        return difference { theirs[$0].map(TokenFileHeader.text) }
    }

    /// The same for what `json` made of another header.
    func difference(fromJSON line: String) -> String {
        guard let theirs = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any] else { return "it is no file of ours" }
        return difference { theirs[$0].map { "\($0)" } } ?? "it is of another version"
    }

    private func difference(from theirs: (String) -> String?) -> String? {
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            let (mine, theirs) = (TokenFileHeader.text(value), theirs(name) ?? "nothing")
            guard mine != theirs else { continue }
            let isShort = mine.count <= 70 && theirs.count <= 70 && !mine.contains("\n")
            return isShort ? "its \(name) is \(theirs), not \(mine)" : "its \(name) is another"
        }
        return nil
    }

    private static func text(_ value: AttributeValue) -> String { value.string ?? value.integer.map { "\($0)" } ?? "" }
}
