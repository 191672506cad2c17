import Foundation
import MergeVQ
import Training

/// One row of `mvq bench ops`: an operation at a shape, or at all token counts of a step.
struct OperationRow: Encodable {
    let operation: String
    let direction: String
    let shape: String
    /// Calls a step; nil where the times are those of one call.
    let calls: Int?
    let seconds: Timing
    /// At the minimum of the times: of operations per second or of bytes per second, 10⁹.
    let gflops: Double?
    let gigabytesPerSecond: Double?
    /// Of the sum of all operations of the step.
    let shareOfStep: Double?
    /// Bandwidth over that of the fastest copy in the same run.
    var ratioToCopy: Double?

    /// An operation, and how often a step does it.
    struct Call {
        let part: ForwardPass.Part?
        let count: Int
        let operation: OperationCase
    }

    /// The calls of a configuration's step, one for every operation, shape and part of the model.
    static func calls(of configuration: RunConfiguration) -> [Call] {
        struct Key: Hashable {
            let part: ForwardPass.Part
            let operation: ModelOperation
        }
        var (order, counts): ([Key], [Key: Int]) = ([], [:])
        for (part, operation) in ForwardPass(configuration.tokenizer, kept: configuration.merging.keptTokens).operations {
            let key = Key(part: part, operation: operation)
            if counts[key] == nil { order.append(key) }
            counts[key, default: 0] += 1
        }
        return order.flatMap { key in
            OperationCase.cases(of: key.operation).filter(\.isInStep).map { Call(part: key.part, count: counts[key] ?? 0, operation: $0) }
        }
    }

    /// Rows of timed calls. For a step, calls that differ in the number of tokens only are one row.
    static func rows(_ timed: [(call: Call, timing: Timing)], isStep: Bool) -> [OperationRow] {
        guard isStep else { return withCopyRatios(timed.map { OperationRow([$0], total: nil) }) }
        let total = timed.reduce(0) { $0 + Double($1.call.count) * $1.timing.minimum }
        var (order, groups): ([String], [String: [(call: Call, timing: Timing)]]) = ([], [:])
        for item in timed {
            let operation = item.call.operation
            let part = operation.tokens == nil ? "" : item.call.part?.rawValue ?? ""
            let key = "\(operation.label)|\(operation.name == "token merging" ? "" : operation.shape)|\(part)"
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(item)
        }
        return order.compactMap { groups[$0] }.map { OperationRow($0, total: total) }.sorted { $0.seconds.minimum > $1.seconds.minimum }
    }

    private init(_ timed: [(call: Call, timing: Timing)], total: Double?) {
        let first = timed[0].call.operation
        operation = first.name
        direction = first.direction
        let tokens = timed.compactMap(\.call.operation.tokens)
        if let most = tokens.max(), let least = tokens.min() {
            let shapes = Set(timed.map(\.call.operation.shape)).count == 1 ? ", " + first.shape : ""
            shape = (most == least ? "\(most)" : "\(most)…\(least)") + " tokens" + shapes
        } else {
            shape = first.shape
        }
        func sum<Value>(_ add: (Value, Value) -> Value, _ value: ((call: Call, timing: Timing)) -> Value) -> Value {
            timed.dropFirst().reduce(value(timed[0])) { add($0, value($1)) }
        }
        let count: (Call) -> Double = { total == nil ? 1 : Double($0.count) }
        let seconds = sum(+) { $0.timing * count($0.call) }
        self.seconds = seconds
        let work = sum(+) { $0.call.operation.work.times(count($0.call)) }
        calls = total == nil ? nil : timed.reduce(0) { $0 + $1.call.count }
        switch work {
        case .flops: (gflops, gigabytesPerSecond) = (work.rate(seconds: seconds.minimum), nil)
        case .bytes: (gflops, gigabytesPerSecond) = (nil, work.rate(seconds: seconds.minimum))
        }
        shareOfStep = total.map { seconds.minimum / $0 }
    }

    private static func withCopyRatios(_ rows: [OperationRow]) -> [OperationRow] {
        let copies = rows.filter { $0.operation == OperationCase.copyName }
        guard let copy = copies.compactMap(\.gigabytesPerSecond).max(), let shape = copies.first?.shape else { return rows }
        return rows.map { row in
            var row = row
            // Vectors of the same size: others may lie in a cache.
            if row.shape == shape { row.ratioToCopy = row.gigabytesPerSecond.map { $0 / copy } }
            return row
        }
    }
}

/// What `mvq bench ops` prints.
struct OperationReport: Encodable {
    let config: String?
    let numericClass: String
    let threads: Int
    let runs: Int
    let sgemmPeakGflops: Double
    let operations: [OperationRow]

    var text: String {
        let what = config.map { "\($0), one image a step; rows by time, ms a step" } ?? "the full-size variants' operations, one image; ms a call"
        var lines = [
            "\(what); minimum / median of \(runs) on \(threads) threads, rate at the minimum; sgemm peak "
                + String(format: "%.0f GFLOP/s", sgemmPeakGflops),
            numericClass,
        ]
        let total = operations.reduce(0) { $0 + $1.seconds.minimum }
        var (smaller, rest) = (0, 0.0)
        for row in operations {
            if let share = row.shareOfStep, share < 0.005 {
                (smaller, rest) = (smaller + 1, rest + row.seconds.minimum)
            } else {
                lines.append(line(row))
            }
        }
        if smaller > 0 {
            lines.append("\(smaller) rows of less than 0.5 %".padded(to: 87) + String(format: "%9.2f %31.1f %%", rest * 1e3, rest / total * 100))
        }
        if config != nil { lines.append("sum".padded(to: 87) + String(format: "%9.2f", total * 1e3)) }
        return lines.joined(separator: "\n")
    }

    private func line(_ row: OperationRow) -> String {
        var line = "\(row.operation) \(row.direction)".padded(to: 44) + row.shape.padded(to: 38)
        if let calls = row.calls { line += "\(calls)×".leftPadded(to: 5) }
        line += String(format: "%9.2f /%9.2f", row.seconds.minimum * 1e3, row.seconds.median * 1e3)
        if let rate = row.gflops { line += String(format: "%8.0f GFLOP/s", rate) }
        if let rate = row.gigabytesPerSecond { line += String(format: "%8.1f GB/s   ", rate) }
        if let share = row.shareOfStep { line += String(format: "%6.1f %%", share * 100) }
        if let ratio = row.ratioToCopy { line += String(format: "%6.0f %% of copy", ratio * 100) }
        return line
    }
}
