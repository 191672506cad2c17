/// Peers that cannot be trusted: what no correct worker sends is counted, and whoever sends too much of it is refused for a while.
extension CoordinatorState {
    /// True when the coordinator has taken the session in.
    public func isMember(_ session: SessionID) -> Bool { position(of: session) != nil }

    /// Something that no correct worker sends: dropped and counted; one too many ends the session.
    mutating func offend(_ reason: String, from session: SessionID) {
        drop(reason, from: session)
        charge(session, reason: reason)
    }

    /// Counts an error of a session's worker.
    mutating func charge(_ session: SessionID, reason: String) {
        guard let position = position(of: session) else { return }
        let hello = members[position].hello
        guard let bar = errors.charge(hello.process, now: lastHandled) else { return }
        let reason = "more than \(errors.limit) messages a minute that no worker sends, the last one \(reason)"
        report(.security(.barred(peer: "worker \(hello.name)", reason: reason, seconds: bar.inSeconds)))
        expel(session, exitCode: ExitCode.unavailable, "worker \(hello.name) sent \(reason); it may come back after \(bar.text)")
    }

    /// Why a worker may not come back yet; nil when it may.
    func bar(of hello: Hello, now: Instant) -> String? {
        errors.bar(of: hello.process, now: now).map {
            "worker \(hello.name) sent too many messages that no worker sends; it may come back after \(Duration.seconds($0.inSeconds.rounded(.up)).text)"
        }
    }

    /// Ends a session for good: its worker is told why, and that it is not to come back.
    mutating func expel(_ session: SessionID, exitCode: Int32, _ text: String) {
        refuse(session, text, exitCode: exitCode)
        remove(session, reason: text, crashed: false)
    }

    /// Reports what was received and not used; not more often than a log can bear.
    mutating func drop(_ reason: String, from session: SessionID?) {
        guard let omitted = dropReports.admit(now: lastHandled) else { return }
        if omitted > 0 { report(.security(.omitted(omitted))) }
        report(.dropped(session, reason: reason))
    }
}

extension Hello {
    /// The longest text, in UTF-8 bytes. Texts of a hello go into log lines and answers, which have limits of their own.
    package static let longestText = 256

    /// What no worker says about itself; nil when all is possible.
    package var problem: String? {
        let texts = [
            ("build", buildVersion), ("numeric class", numericClass), ("host name", hostName), ("fingerprint", datasetFingerprint ?? ""),
        ]
        for (name, text) in texts {
            if text.utf8.count > Hello.longestText { return "a \(name) of \(text.utf8.count) bytes" }
            if !text.isOneLine { return "a \(name) with control characters" }
        }
        return nil
    }
}

extension String {
    /// True without line ends and other control characters.
    package var isOneLine: Bool { utf8.allSatisfy { $0 >= 32 && $0 != 127 } }

    /// At most so many UTF-8 bytes of the text, as one line: what a peer says may go into logs and messages.
    package func bounded(_ bytes: Int = 2000) -> String {
        if utf8.count <= bytes, isOneLine { return self }
        return String(decoding: utf8.prefix(bytes).map { $0 >= 32 && $0 != 127 ? $0 : 32 }, as: UTF8.self)
    }
}
