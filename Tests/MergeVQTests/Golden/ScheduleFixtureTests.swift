import Foundation
import MergeVQ
import TestKit
import Testing

/// Fixture 13: kept-token candidates and probabilities, the saw-tooth, merge counts of both schedules, capped counts of shorter views.
@Suite(.enabled(if: Fixtures.exist("13_"), Fixtures.skipped))
struct ScheduleFixtureTests {
    private struct File: Decodable {
        struct Preset: Decodable {
            let L: Int
            let m0: Int
            let distribution: String
            let candidates: [Int]
            let p: [Double]
            let cumulative: [Double]
            let sawtooth_K: [Int]?
            let lists: [List]?
        }
        struct List: Decodable {
            let L: Int
            let K: Int
            let layers: Int
            let r: [Int]
            let lengths: [Int]?
        }
        struct Capped: Decodable {
            let K: Int
            let view_tokens: Int
            let applied: [Int]
            let final_image_tokens: Int
            let full: Int?
            let L: Int?
        }
        let presets: [String: Preset]
        let tiny_presets: [String: Preset]
        let lists_12: [List]
        let lists_4: [List]
        let square_schedule_12: [List]
        let capped_224_view: [Capped]
    }

    private static func load(_ name: String) throws -> File {
        try JSONDecoder().decode(File.self, from: Data(contentsOf: Fixtures.folder.appendingPathComponent(name)))
    }

    @Test(arguments: Fixtures.files("13_"))
    func distributions(_ name: String) throws {
        let file = try Self.load(name)
        for (preset, want) in (Array(file.presets) + Array(file.tiny_presets)).sorted(by: { $0.key < $1.key }) {
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
        let file = try Self.load(name)
        let presetLists = file.presets.sorted { $0.key < $1.key }.flatMap { $0.value.lists ?? [] }
        for list in file.lists_12 + file.lists_4 + presetLists {
            let counts = MergeSchedule.linear.mergeCounts(length: list.L, kept: list.K, layers: list.layers)
            #expect(counts == list.r, "linear \(list.L) → \(list.K)")
            var length = list.L
            if let lengths = list.lengths { #expect(counts.map { length -= $0; return length } == lengths) }
        }
        for list in file.square_schedule_12 {
            #expect(
                MergeSchedule.square.mergeCounts(length: list.L, kept: list.K, layers: list.layers) == list.r, "square \(list.L) → \(list.K)")
        }
    }

    @Test(arguments: Fixtures.files("13_"))
    func cappedCounts(_ name: String) throws {
        for capped in try Self.load(name).capped_224_view {
            // A 224 view of a 256 image has (224/256)² of its tokens.
            let full = capped.L ?? capped.view_tokens * 256 * 256 / (224 * 224)
            let counts = MergeSchedule.linear.mergeCounts(length: full, kept: capped.K, layers: capped.applied.count)
            let applied = MergeSchedule.capped(counts, length: capped.view_tokens)
            #expect(applied == capped.applied, "K \(capped.K) on \(capped.view_tokens)")
            #expect(capped.view_tokens - applied.reduce(0, +) == capped.final_image_tokens)
        }
    }
}
