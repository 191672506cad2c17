import Foundation
import Testing
import Training

/// The file of evaluations, and what is best in it.
@Suite struct EvaluationLogTests {
    private func record(_ step: Int, _ kept: Int, psnr: Double?, l1: Double = 0.5) throws -> EvaluationRecord {
        let psnr = psnr.map { "\($0)" } ?? "null"
        return try #require(
            EvaluationRecord(
                json: """
                    {"codebook_perplexity": 8.5, "codebook_usage": 0.25, "images": 4, "kept_tokens": \(kept), \
                    "reconstruction": {"l1": \(l1), "psnr": \(psnr), "ssim": 0.5}, "step": \(step), "weights": "ema"}
                    """))
    }

    private func log(_ folder: String, _ measure: RunConfiguration.Evaluation.Measure = .psnr) throws -> EvaluationLog {
        try EvaluationLog(path: folder + "/evaluation.jsonl", keptTokens: [25, 36], images: 4, measure: measure)
    }

    @Test func linesReadBackAsTheyWereWritten() throws {
        let written = try record(100, 36, psnr: 14.25)
        #expect(
            written.json == """
                {"codebook_perplexity":8.5,"codebook_usage":0.25,"images":4,"kept_tokens":36,\
                "reconstruction":{"l1":0.5,"psnr":14.25,"ssim":0.5},"step":100,"weights":"ema"}
                """)
        #expect(EvaluationRecord(json: written.json) == written)
        #expect(EvaluationRecord(json: "{\"step\": 3}") == nil)
    }

    @Test func theBestIsTheHighestMeanAndTheEarliestOfEquals() throws {
        try withTemporaryFolder { folder in
            let log = try log(folder)
            let steps = [0, 100, 200, 300, 400]
            #expect(log.best(of: steps) == nil)
            try log.add([record(100, 25, psnr: 10), record(100, 36, psnr: 14)])
            #expect(log.best(of: steps) == 100)
            try log.add([record(200, 25, psnr: 13), record(200, 36, psnr: 11)])
            #expect(log.best(of: steps) == 100, "the same mean")
            try log.add([record(300, 25, psnr: 12), record(300, 36, psnr: 12.5)])
            #expect(log.best(of: steps) == 300)
            try log.add([record(400, 25, psnr: 20), record(400, 36, psnr: nil)])
            #expect(log.best(of: steps) == 300, "infinite is not measured")
            #expect(try self.log(folder).best(of: steps) == 300, "after reading it again")
            #expect(log.best(of: [200, 100]) == 100 && log.best(of: [200]) == 200, "of those that are there")
        }
    }

    @Test func lessIsBetterInErrors() throws {
        try withTemporaryFolder { folder in
            let log = try log(folder, .l1)
            try log.add([record(100, 25, psnr: 20, l1: 0.4), record(100, 36, psnr: 20, l1: 0.4)])
            try log.add([record(200, 25, psnr: 10, l1: 0.3), record(200, 36, psnr: 10, l1: 0.3)])
            #expect(log.best(of: [100, 200]) == 200)
        }
    }

    /// Measures over other images say nothing about which is better.
    @Test func linesAboutOtherImagesAreNotCompared() throws {
        try withTemporaryFolder { folder in
            let records = try [record(100, 25, psnr: 10), record(100, 36, psnr: 14)]
            try log(folder).add(records)
            let more = try EvaluationLog(path: folder + "/evaluation.jsonl", keptTokens: [25, 36], images: 8, measure: .psnr)
            #expect(!more.isEvaluated(100) && more.best(of: [100]) == nil)
        }
    }

    /// A crash between the lines of a step, and within a line.
    @Test func aStepWithoutAllItsLinesIsDoneAgain() throws {
        try withTemporaryFolder { folder in
            let all = try [record(100, 25, psnr: 10), record(100, 36, psnr: 14)]
            let file = folder + "/evaluation.jsonl"
            try (all[0].json + "\n" + all[1].json.prefix(40)).write(toFile: file, atomically: false, encoding: .utf8)
            let log = try log(folder)
            #expect(!log.isEvaluated(100) && log.best(of: [100]) == nil)
            try log.add(all)
            #expect(log.isEvaluated(100) && log.best(of: [100]) == 100)
            try log.add(all)
            #expect(try String(contentsOfFile: file, encoding: .utf8) == all[0].json + "\n" + all[1].json + "\n")
        }
    }
}
