/// The results that worker processes have announced for the blocks of a step: equal work must have equal digests.
struct Votes: Sendable {
    struct Vote: Sendable, Equatable {
        let process: SessionID
        let session: SessionID
        let host: String
        let name: String
        let digest: String

        init(of member: Member, digest: String) {
            (process, session) = (member.hello.process, member.id)
            (host, name) = (member.hello.hostName, member.hello.name)
            self.digest = digest
        }
    }

    /// What the results of a block say.
    enum Verdict: Equatable {
        /// All are equal.
        case agreed
        /// These processes computed wrongly.
        case wrong(Set<SessionID>)
        /// They differ, and it takes more of them to tell which are right.
        case open
    }

    private var results: [SlotBlock: [Vote]] = [:]
    /// Blocks with different results, in the order in which that was found.
    private(set) var disputed: [SlotBlock] = []

    /// The results of a block, in the order in which they came.
    func of(_ block: SlotBlock) -> [Vote] { results[block] ?? [] }

    /// Notes a result.
    /// - Returns: the first result that differs from it; nil if none does.
    mutating func add(_ vote: Vote, on block: SlotBlock) -> Vote? {
        let other = of(block).first { $0.digest != vote.digest }
        results[block, default: []].append(vote)
        if other != nil, !disputed.contains(block) { disputed.append(block) }
        return other
    }

    /// Forgets the results of processes that computed wrongly.
    mutating func remove(_ wrong: Set<SessionID>) {
        for block in results.keys { results[block]?.removeAll { wrong.contains($0.process) } }
        let open = disputed.filter { verdict(on: $0) != .agreed }
        disputed = open
    }

    /// A process whose own results differ is wrong. Among the others the digest that most processes have is right, if it is more than one
    /// process and no other digest has as many; or if there is no other.
    func verdict(on block: SlotBlock) -> Verdict {
        let votes = of(block)
        var digests: [SessionID: Set<String>] = [:]
        for vote in votes { digests[vote.process, default: []].insert(vote.digest) }
        let wavering = Set(digests.filter { $0.value.count > 1 }.keys)
        var support: [String: Set<SessionID>] = [:]
        for vote in votes where !wavering.contains(vote.process) { support[vote.digest, default: []].insert(vote.process) }
        guard support.count > 1 else { return wavering.isEmpty ? .agreed : .wrong(wavering) }
        let most = support.values.map(\.count).max() ?? 0
        let leaders = support.filter { $0.value.count == most }
        guard most > 1, leaders.count == 1, let right = leaders.first?.value else { return .open }
        return .wrong(wavering.union(support.values.flatMap(\.self)).subtracting(right))
    }
}
