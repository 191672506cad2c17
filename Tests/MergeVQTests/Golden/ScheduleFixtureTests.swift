import Foundation
import MergeVQ
import TestKit
import Testing

/// Fixture 13: kept-token candidates and probabilities, the saw-tooth, merge counts of both schedules, capped counts of shorter views. Which
/// presets, lengths and layer counts there are, the file says.
@Suite(.enabled(if: Fixtures.exist("13_"), Fixtures.skipped))
struct ScheduleFixtureTests {
    private struct Preset: Decodable {
        let L: Int
        let m0: Int
        let distribution: String
        let candidates: [Int]
        let p: [Double]
        let cumulative: [Double]
        let sawtooth_K: [Int]?
        let lists: [List]?
    }

    private struct List: Decodable {
        let L: Int
        let K: Int
        let layers: Int
        let r: [Int]
        let lengths: [Int]?
    }

    private struct Capped: Decodable {
        let K: Int
        let view_tokens: Int
        let applied: [Int]
        let final_image_tokens: Int
    }

    /// The parts of a file whose key satisfies a condition, by key.
    private static func parts<Part: Decodable>(_ name: String, _ wanted: (String) -> Bool, as: Part.Type) throws -> [(String, Part)] {
        let data = try Data(contentsOf: Fixtures.folder.appendingPathComponent(name))
        let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try file.keys.filter(wanted).sorted().map { key in
            (key, try JSONDecoder().decode(Part.self, from: JSONSerialization.data(withJSONObject: file[key] as Any)))
        }
    }

    private static func presets(_ name: String) throws -> [(String, Preset)] {
        try parts(name, { $0.hasSuffix("presets") }, as: [String: Preset].self)
            .flatMap { group in group.1.sorted { $0.key < $1.key }.map { ("\(group.0) \($0.key)", $0.value) } }
    }

    @Test(arguments: Fixtures.files("13_"))
    func distributions(_ name: String) throws {
        let presets = try Self.presets(name)
        #expect(!presets.isEmpty)
        for (preset, want) in presets {
            let shape = try #require(KeptTokenDistribution.Shape(rawValue: want.distribution), "\(preset)")
            let got = KeptTokenDistribution(shape: shape, target: want.L - want.m0, count: want.candidates.count)
            #expect(got.candidates == want.candidates, "\(preset)")
            for (a, b) in zip(got.probabilities, want.p) { #expect(abs(a - b) < 1e-12, "\(preset)") }
            #expect(got.cumulative == want.cumulative, "\(preset)")
            if let sawtooth = want.sawtooth_K {
                #expect(sawtooth.indices.map { got.keptTokens(at: 0.01 * Double($0 % 100)) } == sawtooth, "\(preset)")
            }
        }
    }

    @Test(arguments: Fixtures.files("13_"))
    func mergeCounts(_ name: String) throws {
        let linear = try Self.parts(name, { $0.hasPrefix("lists") }, as: [List].self).flatMap(\.1)
        #expect(!linear.isEmpty)
        for list in try linear + Self.presets(name).flatMap({ $0.1.lists ?? [] }) {
            let counts = MergeSchedule.linear.mergeCounts(length: list.L, kept: list.K, layers: list.layers)
            #expect(counts == list.r, "linear \(list.L) → \(list.K)")
            var length = list.L
            if let lengths = list.lengths { #expect(counts.map { length -= $0; return length } == lengths) }
        }
        for list in try Self.parts(name, { $0.hasPrefix("square") }, as: [List].self).flatMap(\.1) {
            #expect(
                MergeSchedule.square.mergeCounts(length: list.L, kept: list.K, layers: list.layers) == list.r, "square \(list.L) → \(list.K)")
        }
    }

    @Test(arguments: Fixtures.files("13_"))
    func cappedCounts(_ name: String) throws {
        for capped in try Self.parts(name, { $0.hasPrefix("capped") }, as: [Capped].self).flatMap(\.1) {
            // A 224 view of a 256 image has (224/256)² of its tokens.
            let full = capped.view_tokens * 256 * 256 / (224 * 224)
            let counts = MergeSchedule.linear.mergeCounts(length: full, kept: capped.K, layers: capped.applied.count)
            let applied = MergeSchedule.capped(counts, length: capped.view_tokens)
            #expect(applied == capped.applied, "K \(capped.K) on \(capped.view_tokens)")
            #expect(capped.view_tokens - applied.reduce(0, +) == capped.final_image_tokens)
        }
    }
}
