import Foundation
import Synchronization

/// Shows the progress of a run: on a terminal one line that is written over and over, elsewhere (a file, a job's log)
/// a plain line now and then. Events appear above the line. May be used from any thread.
///
/// ```swift
/// let progress = ProgressLine.standardError()
/// progress.update(state, at: clock.seconds)
/// progress.event("worker 3 joined from node7")
/// progress.finish()
/// ```
public final class ProgressLine: Sendable {
    /// Where the line goes.
    public enum Style: Sendable {
        /// A terminal; `width` is asked before each line, because windows change their size.
        case terminal(width: @Sendable () -> Int)
        /// A file or pipe: a line when so many seconds or (if given) so many steps have passed since the last one.
        case plain(seconds: Double = 10, steps: Int? = nil)
    }

    private struct Shown {
        /// The newest state and whether it has been written.
        var state: ProgressState?
        var isWritten = false
        /// Time and step of the last line written.
        var last: (time: Double, step: Int)?
    }

    /// The shortest time between two lines on a terminal, in seconds.
    private static let terminalInterval = 0.1
    private static let eraseLine = "\r\u{1B}[K"

    private let style: Style
    private let write: @Sendable (String) -> Void
    private let shown = Mutex(Shown())

    /// - Parameter write: takes text to show as it is, line ends included.
    public init(style: Style, write: @escaping @Sendable (String) -> Void) {
        self.style = style
        self.write = write
    }

    /// A line on standard error, in the style that suits what it is connected to.
    public static func standardError(plainSteps: Int? = nil) -> ProgressLine {
        let terminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        let style = terminal ? Style.terminal(width: terminalWidth) : .plain(steps: plainSteps)
        return ProgressLine(style: style) { StandardError.write($0) }
    }

    /// Columns of the terminal behind standard error; 80 when it does not say.
    public static func terminalWidth() -> Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Shows a state, unless the last line is too recent.
    ///
    /// - Parameter time: monotonic seconds of the caller's clock.
    public func update(_ state: ProgressState, at time: Double) {
        shown.withLock { shown in
            shown.state = state
            shown.isWritten = false
            let isDue = switch style {
            case .terminal: shown.last.map { time - $0.time >= Self.terminalInterval } ?? true
            case .plain(let seconds, let steps):
                shown.last.map { last in
                    time - last.time >= seconds || steps.map { state.step - last.step >= $0 } ?? false
                } ?? true
            }
            guard isDue else { return }
            shown.last = (time, state.step)
            shown.isWritten = true
            switch style {
            case .terminal: write(Self.eraseLine + line(of: state))
            case .plain: write(line(of: state) + "\n")
            }
        }
    }

    /// Shows an event, such as a worker that joined or a checkpoint that was written, on a line of its own.
    public func event(_ text: String) {
        let text = Formatting.printable(text)
        shown.withLock { shown in
            switch style {
            case .terminal: write(Self.eraseLine + text + "\n" + (shown.state.map { line(of: $0) } ?? ""))
            case .plain: write(text + "\n")
            }
        }
    }

    /// Shows the last state and leaves the line; the next text starts on a new one.
    public func finish() {
        shown.withLock { shown in
            guard let state = shown.state else { return }
            switch style {
            case .terminal: write(Self.eraseLine + line(of: state) + "\n")
            case .plain: if !shown.isWritten { write(line(of: state) + "\n") }
            }
            shown.state = nil
        }
    }

    private func line(of state: ProgressState) -> String {
        switch style {
        // The last column stays free: some terminals start a new line after it.
        case .terminal(let width): state.render(width: max(0, width() - 1))
        case .plain: state.render()
        }
    }
}
