import Checkpoints
import Failpoints

/// The evaluations of a run on disk, `evaluation.jsonl`: a line for every evaluated step and number of kept tokens.
package final class EvaluationLog {
    private let file: AppendOnlyFile
    private let keptTokens: [Int]
    private let images: Int
    private let measure: RunConfiguration.Evaluation.Measure
    private var records: [Int: [EvaluationRecord]] = [:]

    /// Opens the file; a line torn by a crash is cut off.
    ///
    /// - Parameters:
    ///   - keptTokens: what makes a step's evaluation complete.
    ///   - images: how many images; lines about another number are not compared.
    ///   - measure: what the best step is best in.
    /// - Throws: `FileError`
    package init(path: String, keptTokens: [Int], images: Int, measure: RunConfiguration.Evaluation.Measure) throws {
        self.keptTokens = keptTokens
        self.images = images
        self.measure = measure
        file = try AppendOnlyFile(path: path)
        for line in try file.lines() {
            if let record = EvaluationRecord(json: line) { keep(record) }
        }
    }

    private func keep(_ record: EvaluationRecord) {
        if record.images == images { records[record.step, default: []].append(record) }
    }

    /// Whether a step has a line for every number of kept tokens.
    package func isEvaluated(_ step: Int) -> Bool {
        let found = Set((records[step] ?? []).map(\.keptTokens))
        return keptTokens.allSatisfy(found.contains)
    }

    /// Adds the lines of a step that are not there yet. Throws `FileError`.
    package func add(_ new: [EvaluationRecord]) throws {
        for record in new where records[record.step]?.contains(where: { $0.keptTokens == record.keptTokens }) != true {
            Failpoints.reach(.evaluationLine)
            try file.append(record.json)
            keep(record)
        }
    }

    /// The evaluated one of some steps whose mean over the numbers of kept tokens is best; of equals the earliest. Nil if none is evaluated.
    package func best(of steps: [Int]) -> Int? {
        let scores = steps.filter(isEvaluated).sorted().compactMap { step in score(of: step).map { (step: step, score: $0) } }
        return scores.reduce(nil as (step: Int, score: Double)?) { best, next in
            best.map { next.score > $0.score ? next : $0 } ?? next
        }?.step
    }

    /// Higher is better.
    private func score(of step: Int) -> Double? {
        let wanted = (records[step] ?? []).filter { keptTokens.contains($0.keptTokens) }
        let values = wanted.compactMap { measure.value(of: $0.reconstruction) }
        guard values.count == keptTokens.count else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        return measure.isBetterWhenHigher ? mean : -mean
    }
}

extension RunConfiguration.Evaluation.Measure {
    var isBetterWhenHigher: Bool { self == .psnr || self == .ssim }

    func value(of quality: EvaluationRecord.Quality) -> Double? {
        switch self {
        case .psnr: quality.psnr
        case .ssim: quality.ssim
        case .l1: quality.l1
        case .lpips: quality.lpips
        }
    }
}
