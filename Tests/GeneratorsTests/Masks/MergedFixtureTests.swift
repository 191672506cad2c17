import Generators
import TestKit
import Testing

/// Fixture 33: masks of worked examples, and what the compressed cache holds step by step.
@Suite(.enabled(if: Fixtures.exist("33_"), Fixtures.skipped))
struct MergedFixtureTests {
    private static func rows(_ arrays: FixtureArrays, _ name: String) throws -> [[Int]] {
        let width = try arrays.shape(name)[1]
        let values = try arrays.integers(name)
        return stride(from: 0, to: values.count, by: width).map { row in values[row..<(row + width)].filter { $0 >= 0 } }
    }

    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("L") })
    func masksOfExamples(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let owners = try arrays.integers("inputs/owner").map(Int32.init)
        let codeOf = try arrays.integers("inputs/group_codes").map(Int32.init)
        let codes = owners.map { codeOf[Int($0)] }
        #expect(codes.map(Int.init) == (try arrays.integers("outputs/codes")))
        for equality in TokenGroups.Equality.allCases {
            let groups = TokenGroups(codes: codes, owners: owners, by: equality)
            #expect(groups.first == (try arrays.integers("outputs/first_\(equality)")))
            #expect(groups.keep == (try arrays.integers("outputs/keep_\(equality)")).map { $0 == 1 })
            let matrix = (0..<groups.count).flatMap { i in (0..<groups.count).map { groups.represents(i, $0) ? 1 : 0 } }
            let sameMatrix = matrix == (try arrays.integers("outputs/M_\(equality)"))
            #expect(sameMatrix, "\(equality)")
            for window in fixture.settings.integers("windows") {
                let suffix = equality == .code ? "W\(window)" : "W\(window)_source"
                guard arrays.has("outputs/A_\(suffix)") else {
                    #expect(equality == .source)
                    continue
                }
                let attention = MergedAttention(
                    prefix: fixture.settings.integer("prefix"), window: window, keep: Array(groups.keep.dropLast()))
                let sameMask = attention.mask == (try arrays.integers("outputs/A_\(suffix)")).map { $0 == 1 }
                #expect(sameMask, "\(suffix)")
                let sizes = (0..<attention.length).map(attention.contextSize)
                #expect(sizes == (try arrays.integers("outputs/context_size_\(suffix)")), "\(suffix)")
            }
        }
        let groups = TokenGroups(codes)
        #expect(groups.distinct == Int(try arrays.scalar("outputs/distinct")))
        #expect(groups.first == (try arrays.integers("outputs/position_cache")))
        #expect(groups.keep == (try arrays.integers("outputs/redundant")).map { $0 == 0 })
    }

    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("L") })
    func tracesOfExamples(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let codes = try arrays.integers("outputs/codes").dropLast().map(Int32.init)
        for window in fixture.settings.integers("windows") {
            var layout = MergedCacheLayout(prefix: fixture.settings.integer("prefix"), window: window)
            let sizes = try arrays.integers("trace_W\(window)/size")
            try Self.follow(
                &layout, codes, kept: Self.rows(arrays, "trace_W\(window)/kept"), ring: Self.rows(arrays, "trace_W\(window)/ring"),
                evicted: arrays.integers("trace_W\(window)/evicted"), discarded: arrays.integers("trace_W\(window)/discarded"), sizes: sizes)
        }
    }

    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("W") })
    func tracesOfGeneratedImages(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let prefix = fixture.settings.group("model").integer("P")
        for branch in ["guided", "unguided"] {
            let codes = try arrays.integers("\(branch)/joint").map(Int32.init)
            var layout = MergedCacheLayout(prefix: prefix, window: fixture.settings.integer("W"))
            let sizes = try arrays.integers("\(branch)/context_sizes")
            try Self.follow(
                &layout, codes.dropLast(), kept: Self.rows(arrays, "\(branch)/kept_per_step"),
                ring: Self.rows(arrays, "\(branch)/ring_per_step"), evicted: arrays.integers("\(branch)/evicted"), 
                discarded: arrays.integers("\(branch)/discarded"), sizes: Array(sizes.dropFirst(prefix)))
            #expect(layout.contextSize == Int(try arrays.scalar("\(branch)/final_entries")))
            let groups = TokenGroups(codes)
            #expect(groups.first == (try arrays.integers("\(branch)/position_cache")))
            #expect(groups.distinct == Int(try arrays.scalar("\(branch)/distinct")))
            let attention = MergedAttention(prefix: prefix, window: layout.window, keep: Array(groups.keep.dropLast()))
            #expect((0..<attention.length).map(attention.contextSize) == sizes)
        }
    }

    @Test(arguments: try FixtureCase.all("33_") { $0.settings.has("windows") && $0.settings.has("model") })
    func masksOfTheTrainingBatch(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let (samples, prefix) = (fixture.settings.integer("B"), fixture.settings.group("model").integer("P"))
        let all = try arrays.integers("inputs/codes").map(Int32.init)
        let length = all.count / samples
        for window in fixture.settings.integers("windows") {
            let golden = try arrays.integers("W\(window)/mask")
            for sample in 0..<samples {
                let codes = all[(sample * length)..<((sample + 1) * length - 1)]
                let attention = MergedAttention(prefix: prefix, window: window, keep: TokenGroups(Array(codes)).keep)
                let size = attention.length * attention.length
                let same = attention.mask == golden[(sample * size)..<((sample + 1) * size)].map { $0 == 1 }
                #expect(same, "window \(window), sample \(sample)")
                let group = "W\(window)/sample\(sample)"
                #expect((0..<attention.length).map(attention.contextSize) == (try arrays.integers("\(group)/context_sizes")))
                var layout = MergedCacheLayout(prefix: prefix, window: window)
                for code in codes { _ = layout.enter(code) }
                #expect(layout.contextSize == Int(try arrays.scalar("\(group)/final_entries")))
                // An empty list is stored without a type.
                let kept = "\(group)/final_kept_positions"
                let stored = try arrays.shape(kept) == [0] ? [] : arrays.integers(kept).filter { $0 >= 0 }
                #expect(layout.stored == stored, "window \(window)")
                #expect(Array(layout.ring) == (try arrays.integers("\(group)/final_ring")).filter { $0 >= 0 }, "window \(window)")
                #expect(layout.first == (try arrays.integers("\(group)/position_cache")))
                #expect(layout.first.indices.map(layout.isRedundant) == (try arrays.integers("\(group)/redundant")).map { $0 == 1 })
            }
        }
    }

    /// Lets codes enter and compares each step; what has left is −1 where nothing has.
    private static func follow(
        _ layout: inout MergedCacheLayout, _ codes: some Collection<Int32>, kept: [[Int]], ring: [[Int]], evicted: [Int], discarded: [Int],
        sizes: [Int], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try #require(evicted.count == codes.count && sizes.count == codes.count && !codes.isEmpty, sourceLocation: sourceLocation)
        for (step, code) in codes.enumerated() {
            let leaving = layout.enter(code).leaving
            #expect((leaving?.token ?? -1) == evicted[step], "step \(step)", sourceLocation: sourceLocation)
            #expect((leaving != nil && leaving?.store == nil) == (discarded[step] == 1), "step \(step)", sourceLocation: sourceLocation)
            #expect(layout.stored == kept[step] && Array(layout.ring) == ring[step], "step \(step)", sourceLocation: sourceLocation)
            #expect(layout.contextSize == sizes[step], "step \(step)", sourceLocation: sourceLocation)
        }
    }
}
