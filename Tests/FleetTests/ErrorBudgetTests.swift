import Fleet
import Testing

/// How much nonsense is borne, and for how long one is refused after that.
@Suite struct ErrorBudgetTests {
    static let start = Instant(nanoseconds: 5_000_000_000)

    static func after(_ seconds: Double) -> Instant { start.advanced(by: .seconds(seconds)) }

    @Test func soManyAMinute() {
        var budget = ErrorBudget<String>(limit: 3)
        for _ in 0..<3 { #expect(budget.charge("a", now: Self.start) == nil) }
        // Another minute, another budget; other peers have their own.
        for _ in 0..<3 { #expect(budget.charge("a", now: Self.after(60)) == nil) }
        for _ in 0..<3 { #expect(budget.charge("b", now: Self.after(61)) == nil) }
        #expect(budget.bar(of: "a", now: Self.after(61)) == nil)
        #expect(budget.charge("a", now: Self.after(62)) == .seconds(60))
        #expect(budget.bar(of: "a", now: Self.after(72)) == .seconds(50))
        #expect(budget.bar(of: "b", now: Self.after(72)) == nil)
        #expect(budget.bar(of: "a", now: Self.after(122)) == nil)
    }

    /// 1, 2, 4 … 30 minutes; a quiet hour and it begins anew.
    @Test func barsGrow() {
        var budget = ErrorBudget<String>(limit: 0)
        var (now, bars) = (Self.start, [Duration]())
        for _ in 0..<8 {
            guard let bar = budget.charge("a", now: now) else { Issue.record("not barred"); return }
            bars.append(bar)
            now = now + bar
        }
        #expect(bars == [60, 120, 240, 480, 960, 1800, 1800, 1800].map { .seconds($0) })
        #expect(budget.charge("a", now: now + .seconds(3601)) == .seconds(60))
    }

    @Test func thoseWhoShareANameHaveMore() {
        var budget = ErrorBudget<String>(limit: 2)
        for _ in 0..<6 { #expect(budget.charge("a", sharers: 3, now: Self.start) == nil) }
        #expect(budget.charge("a", sharers: 3, now: Self.start) != nil)
    }

    @Test func newNamesDoNotFillTheMemory() {
        var budget = ErrorBudget<Int>(limit: 1, capacity: 10)
        for number in 0..<100 { #expect(budget.charge(number, now: Self.after(Double(number))) == nil) }
        #expect(budget.count <= 10)
        #expect(budget.charge(99, now: Self.after(99)) != nil, "the newest are remembered")
    }

    // MARK: In a session

    typealias Fed = CoordinatorStateTests.Fed
    static let session = CoordinatorStateTests.session

    /// Messages that no worker sends end the session when there are too many, and its process may not come back at once.
    @Test func tooManyImpossibleMessagesEndASession() {
        var fed = Fed.atWork()
        for _ in 0..<32 { #expect(!fed.say(.credit(bytes: -1)).contains(.closeSession(Self.session))) }
        let actions = fed.say(.bye(exitCode: 0, text: "no"))
        #expect(actions.contains(.closeSession(Self.session)) && fed.state.sessionCount == 0)
        let texts = actions.compactMap { if case .send(.refuse(69, let text), to: Self.session) = $0 { text } else { nil } }
        #expect(
            texts == [
                "worker node:7 sent more than 32 messages a minute that no worker sends, the last one 'bye', which only a coordinator may say;"
                    + " it may come back after 60 s"
            ])
        func greet(_ seconds: Double, _ session: UInt64) -> [CoordinatorState.Action] {
            fed.feed(.control(.hello(CoordinatorStateTests.hello()), from: SessionID(high: 9, low: session)), after: seconds)
        }
        let refusal = greet(20, 1).compactMap { if case .send(.refuse(69, let text), _) = $0 { text } else { nil } }
        #expect(refusal == ["worker node:7 sent too many messages that no worker sends; it may come back after 40 s"])
        #expect(greet(41, 2).contains { if case .send(.welcome, _) = $0 { true } else { false } })
    }

    /// What only came too late, or twice, is nobody's fault.
    @Test func staleMessagesAreBorne() {
        var fed = Fed.atWork()
        for _ in 0..<200 {
            _ = fed.say(.weightsReceived(step: 7))
            _ = fed.say(.blockDone(step: 9, block: SlotBlock(level: 0, index: 1), number: 1, digest: "d", bytes: 12))
            _ = fed.bulk { ($0.kind, $0.step, $0.payloadBytes) = (.gradient, 3, 8) }
        }
        #expect(fed.state.isMember(Self.session))
    }

    /// A worker that sends bytes which cannot be read loses its session each time, and in the end its welcome.
    @Test func unreadableBytesAreCountedAcrossSessions() {
        var fed = Fed()
        var refusals = 0
        for number in 0..<34 {
            let session = SessionID(high: 8, low: UInt64(number))
            let answer = fed.feed(.control(.hello(CoordinatorStateTests.hello()), from: session), after: 0.1)
            refusals += answer.count { if case .send(.refuse(69, _), _) = $0 { true } else { false } }
            _ = fed.feed(.malformed(reason: "noise", from: session))
            #expect(!fed.state.isMember(session))
        }
        #expect(refusals == 1, "32 are borne, the 33rd bars, the 34th hello is refused")
    }

    /// However much a peer says about itself, answers and log lines stay short and on one line.
    @Test func longTextsAreCut() {
        let long = String(repeating: "x\n", count: 400_000)
        var fed = Fed()
        for change in [{ $0.buildVersion = long }, { $0.hostName = long }, { $0.numericClass = long }, { $0.datasetFingerprint = long }]
            as [(inout Hello) -> Void]
        {
            let actions = fed.say(.hello(CoordinatorStateTests.hello(change)))
            let texts = actions.compactMap { if case .send(.refuse(78, let text), _) = $0 { text } else { nil } }
            #expect(texts.count == 1 && texts[0].utf8.count < 300 && fed.state.sessionCount == 0)
        }
        let odd = fed.say(.hello(CoordinatorStateTests.hello { $0.hostName = "a\u{1b}[2Jb" }))
        #expect(odd.contains { if case .send(.refuse(78, _), _) = $0 { true } else { false } })
        var working = Fed.atWork()
        // One character of half a megabyte: an e with very many accents.
        let actions = working.say(.fault(exitCode: 65, text: "e" + String(repeating: "\u{301}", count: 250_000)))
        let ends = actions.compactMap { action -> String? in
            switch action {
            case .send(.bye(65, let text), _): text
            case .finished(let exit): exit.text
            case .report(let event): event.description
            default: nil
            }
        }
        #expect(!ends.isEmpty && ends.allSatisfy { $0.utf8.count < 3000 })
    }

    /// A canary's stage of one character with very many accents is quoted in the refusal.
    @Test func quotedTextsAreCut() {
        let canary = Canary(readings: ["e" + String(repeating: "\u{301}", count: 400_000)])
        let text = canary.firstDifference(from: Canary(readings: ["image 1"]))
        #expect(text.map { $0.utf8.count < 300 } == true)
    }

    /// Reports of what was dropped end when there are too many, and say so later.
    @Test func droppedMessagesDoNotFillTheLog() {
        var fed = Fed()
        var reports = 0
        for _ in 0..<1000 { reports += fed.feed(.malformed(reason: "noise", from: nil)).count }
        #expect(reports == 300)
        let later = fed.feed(.malformed(reason: "noise", from: nil), after: 61)
        #expect(later == [.report(.security(.omitted(700))), .report(.dropped(nil, reason: "noise"))])
    }
}
