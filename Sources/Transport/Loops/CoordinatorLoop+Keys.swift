import Fleet

/// Whose messages are used: what `Gate` says about them, done.
extension CoordinatorLoop {
    /// True when a message may be used: without keys always, with keys when its sender's key may speak in the session.
    func isWelcome(_ frames: [Frame], from session: SessionID, as hello: Hello? = nil) -> Bool {
        let verdict =
            if let hello { gate?.verdict(on: hello, with: frames.last, in: session, now: .current) } else {
                gate?.verdict(on: frames.last, in: session, now: .current)
            }
        switch verdict {
        case nil, .pass: return true
        case .drop(let event):
            if let event { delegate.report(.security(event)) }
        case .expel(let exitCode, let text): expel([session], exitCode: exitCode, text: text)
        }
        return false
    }

    func malformed(_ reason: String, _ frames: [Frame], from session: SessionID?) {
        handle(.malformed(reason: reason, from: session))
        guard let bar = gate?.malformed(reason, in: frames.last, now: .current) else { return }
        delegate.report(.security(bar.event))
        expel(bar.sessions, exitCode: ExitCode.unavailable, text: bar.text)
    }

    func expel(_ sessions: [SessionID], exitCode: Int32, text: String) {
        for session in sessions {
            handle(.expel(session, exitCode: exitCode, text: text))
            gate?.forget(session)
        }
    }
}
