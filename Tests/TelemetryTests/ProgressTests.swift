import Foundation
import Synchronization
import Telemetry
import Testing

let fullState = ProgressState(
    step: 120, totalSteps: 300, epoch: 0.9, loss: 0.412,
    terms: [.init("l1", 0.31), .init("entropy", -2.1), .init("commit", 0.9), .init("source", 3.1)],
    keptTokens: 36, imagesPerSecond: 31.2, workers: 2, remainingSeconds: 312)

struct ProgressStateTests {
    @Test func showsEverythingWithRoom() {
        #expect(
            fullState.render()
                == "step 120/300  epoch 0.90  loss 0.412 (l1 0.31 entropy −2.1 commit 0.90 source 3.1)  K 36  31.2 images/s  "
                + "2 workers  eta 5 m 12 s")
        #expect(fullState.render(width: 500) == fullState.render())
    }

    @Test func showsOnlyWhatIsKnown() {
        #expect(ProgressState(step: 1).render() == "step 1")
        #expect(ProgressState(step: 1, loss: .nan, workers: 1).render() == "step 1  loss nan  1 worker")
    }

    @Test func neverExceedsTheWidthAndDropsWholePartsFirst() {
        var seen: [String] = []
        for width in (0...200).reversed() {
            let line = fullState.render(width: width)
            #expect(line.count <= width)
            if seen.last != line { seen.append(line) }
        }
        #expect(
            seen.prefix(8) == [
                fullState.render(),
                "step 120/300  epoch 0.90  loss 0.412  K 36  31.2 images/s  2 workers  eta 5 m 12 s",
                "step 120/300  epoch 0.90  loss 0.412  31.2 images/s  2 workers  eta 5 m 12 s",
                "step 120/300  loss 0.412  31.2 images/s  2 workers  eta 5 m 12 s",
                "step 120/300  loss 0.412  31.2 images/s  eta 5 m 12 s",
                "step 120/300  loss 0.412  eta 5 m 12 s",
                "step 120/300  loss 0.412",
                "step 120/300",
            ])
        #expect(fullState.render(width: 6) == "step …" && fullState.render(width: 1) == "…" && fullState.render(width: 0) == "")
    }
}

/// What a terminal shows after some output: carriage returns, line ends and erase-to-end-of-line are understood.
struct ScreenModel {
    private(set) var lines: [[Character]] = [[]]
    private var column = 0
    let width: Int
    private(set) var wrapped = false

    init(width: Int) { self.width = width }

    mutating func show(_ text: String) {
        var rest = Substring(text)
        while let character = rest.unicodeScalars.first.map({ Character($0) }) {
            if rest.unicodeScalars.starts(with: "\u{1B}[K".unicodeScalars) {
                lines[lines.count - 1].removeSubrange(min(column, lines[lines.count - 1].count)...)
                rest.unicodeScalars.removeFirst(3)
                continue
            }
            rest.unicodeScalars.removeFirst()
            switch character {
            case "\r": column = 0
            case "\n":
                lines.append([])
                column = 0
            default:
                if column >= width { wrapped = true }
                if column < lines[lines.count - 1].count {
                    lines[lines.count - 1][column] = character
                } else {
                    lines[lines.count - 1].append(character)
                }
                column += 1
            }
        }
    }

    var texts: [String] { lines.map { String($0) } }
}

struct ProgressLineTests {
    final class Output: Sendable {
        private let text = Mutex("")
        func add(_ more: String) { text.withLock { $0 += more } }
        var all: String { text.withLock { $0 } }
    }

    let output = Output()

    func line(_ style: ProgressLine.Style) -> ProgressLine {
        ProgressLine(style: style) { [output] in output.add($0) }
    }

    @Test func aTerminalShowsEventsAboveOneLine() {
        let box = Box(60)
        let progress = line(.terminal { box.value })
        var state = fullState
        progress.update(state, at: 0)
        progress.event("worker 1 joined from \u{1B}[2Jnode7\r\n")
        box.set(40)
        state.step = 121
        progress.update(state, at: 1)
        progress.event("checkpoint 121 written")
        state.step = 122
        progress.update(state, at: 1.05)
        progress.finish()
        var screen = ScreenModel(width: 60)
        screen.show(output.all)
        #expect(
            screen.texts == [
                "worker 1 joined from  [2Jnode7  ", "checkpoint 121 written", "step 122/300  loss 0.412  eta 5 m 12 s", "",
            ])
        #expect(!screen.wrapped)
    }

    /// A window whose width changes.
    final class Box: Sendable {
        private let stored: Mutex<Int>
        init(_ value: Int) { stored = Mutex(value) }
        var value: Int { stored.withLock { $0 } }
        func set(_ value: Int) { stored.withLock { $0 = value } }
    }

    @Test func aTerminalIsNotFlooded() {
        let progress = line(.terminal { 80 })
        for index in 0..<1000 { progress.update(ProgressState(step: index), at: Double(index) * 0.001) }
        #expect((10...11).contains(output.all.filter { $0 == "\r" }.count), "\(output.all.count) characters")
    }

    @Test func plainLinesComeEveryTenSeconds() {
        let progress = line(.plain())
        for second in 0...25 { progress.update(ProgressState(step: second), at: Double(second)) }
        progress.event("worker 2 left")
        progress.finish()
        progress.finish()
        #expect(output.all == "step 0\nstep 10\nstep 20\nworker 2 left\nstep 25\n")
    }

    @Test func plainLinesComeEveryFewSteps() {
        let progress = line(.plain(seconds: 1000, steps: 3))
        for step in 1...7 { progress.update(ProgressState(step: step), at: Double(step)) }
        progress.finish()
        #expect(output.all == "step 1\nstep 4\nstep 7\n")
    }

    @Test func nothingToFinishShowsNothing() {
        line(.plain()).finish()
        line(.terminal { 80 }).finish()
        #expect(output.all == "")
    }
}
