/// Who gets how much: guided self-scheduling by measured speed, and backups of what is late. Nothing of it moves a bit of the result.
extension CoordinatorState {
    // MARK: Measuring

    /// Takes the medians anew.
    mutating func measure(now: Instant) {
        func median(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.sorted()[values.count / 2] }
        let known = members.compactMap { memory[$0.hello.process] }
        let seconds = known.compactMap(\.secondsPerSlot)
        // In the first step nobody has finished a block, but some have finished slots.
        let first = seconds.isEmpty ? members.compactMap { $0.lease?.observedPace }.map { $0 / plan.relativeCost } : seconds
        typical = (median(first), median(known.compactMap(\.transferSeconds)) ?? 0)
        for position in members.indices {
            members[position].declines = false
            members[position].isResting = members[position].restEnd.map { now < $0 } ?? false
            members[position].isSilent = members[position].lastHeard.duration(to: now) > configuration.timing.heartbeat * 3
        }
    }

    /// A block is computed: its time says how fast the worker is.
    mutating func noteComputed(_ assignment: Assignment, digest: String, member position: Int, now: Instant) {
        let (block, process) = (assignment.block, members[position].hello.process)
        members[position].lastProgress = now
        members[position].isStalled = false
        members[position].noteWork()
        memory.noteComputed(
            process, secondsPerSlot: assignment.since.duration(to: now).inSeconds / Double(block.count) / plan.relativeCost)
        if typical.secondsPerSlot == nil { typical.secondsPerSlot = memory[process]?.secondsPerSlot }
        members[position][block]?.digest = digest
        members[position][block]?.computed = now
        vote(digest, on: block, member: position)
        if assignment.isCheck {
            members[position].lease = nil
            members[position].checked = block
            actions.append(revoke(assignment, of: members[position].id))
            return
        }
        if members[position].upload == nil {
            // The next block can be computed while this one's gradient is on its way.
            members[position].upload = members[position].lease
            members[position].lease = nil
        }
        merge(block, ifCompleteAt: position, now: now)
    }

    /// Seconds that a slot of this step should take a worker, going by what it did before; by the others, if that is not known; nil if nothing is.
    func usualPace(of member: Member) -> Double? {
        (memory[member.hello.process]?.secondsPerSlot ?? typical.secondsPerSlot).map { $0 * plan.relativeCost }
    }

    func transferSeconds(of member: Member) -> Double { memory[member.hello.process]?.transferSeconds ?? typical.transferSeconds }

    /// Seconds for a slot of the block at hand: what its slots took so far, otherwise the usual pace. A slot that takes half as long again
    /// may take as long again as it took so far. What heartbeats say is up to one and a half of their intervals old.
    private func currentPace(of member: Member, at assignment: Assignment, now: Instant) -> Double? {
        let sinceLast = assignment.lastSlot.duration(to: now).inSeconds - configuration.timing.heartbeat.inSeconds * 1.5
        return (assignment.observedPace ?? usualPace(of: member)).map { sinceLast > 1.5 * $0 ? 2 * sinceLast : $0 }
    }

    /// Seconds until a block should be here. Nil when nothing is known of the worker and the block is not overdue yet.
    func remainingSeconds(_ assignment: Assignment, of member: Member, now: Instant) -> Double? {
        let transfer = transferSeconds(of: member)
        let quiet = member.lastProgress.duration(to: now).inSeconds - configuration.timing.heartbeat.inSeconds * 1.5
        if assignment.digest != nil {
            let arrived = assignment.incoming.map { Double($0.count) / Double($0.layout.count) } ?? 0
            return max(transfer * (1 - arrived), quiet)
        }
        guard let pace = currentPace(of: member, at: assignment, now: now) else {
            return assignment.lastSlot.duration(to: now) > configuration.timing.overdue ? .infinity : nil
        }
        let current = assignment.lastSlot.duration(to: now).inSeconds
        return max(0, Double(assignment.block.count - assignment.slotsDone) * pace - current) + transfer
    }

    // MARK: Sharing out

    /// What the fleet has to do and can do.
    private struct Capacity {
        /// Slots to compute, leased ones without what is done of them.
        var slots = 0.0
        /// Slots a second of all workers that count, and of those among them that have the weights.
        var speed = 0.0
        var armedSpeed = 0.0
        /// The worker that could be done with one more slot first, and when; and when the second could.
        var first: (position: Int, seconds: Double)?
        var second: Double?
        /// Only unreliable workers are there, so they have to do.
        var allUnreliable = true
    }

    private func capacity(now: Instant) -> Capacity {
        var capacity = Capacity()
        capacity.slots = Double(table.freeSlots)
        capacity.allUnreliable = members.allSatisfy { !$0.isReady || $0.isSilent || $0.isResting || $0.isUnreliable }
        for (position, member) in members.enumerated()
        where member.isReady && !member.isSilent && !member.isResting && (capacity.allUnreliable || !member.isUnreliable) {
            let pace = max(usualPace(of: member) ?? 1, 1e-9)
            capacity.speed += 1 / pace
            guard member.hasWeights else { continue }
            capacity.armedSpeed += 1 / pace
            var seconds = pace
            if let lease = member.lease {
                if !lease.isCheck, lease.digest == nil { capacity.slots += Double(lease.block.count - lease.slotsDone) }
                seconds += remainingSeconds(lease, of: member, now: now) ?? Double(lease.block.count) * pace
            }
            if let first = capacity.first, first.seconds <= seconds {
                capacity.second = min(capacity.second ?? .infinity, seconds)
            } else {
                capacity.second = capacity.first?.seconds
                capacity.first = (position, seconds)
            }
        }
        return capacity
    }

    /// Gives free slots to idle workers.
    mutating func leaseFreeSlots(now: Instant) {
        guard table.hasFreeSlots, members.contains(where: { $0.isIdle && !$0.declines }) else { return }
        let capacity = capacity(now: now)
        for position in members.indices where members[position].isIdle && !members[position].declines {
            guard table.hasFreeSlots else { return }
            guard let size = share(of: position, capacity) else {
                members[position].declines = true
                continue
            }
            let session = members[position].id
            guard let block = table.grant(to: session, size: size, now: now, avoiding: isTrusted(position) ? [] : poison.suspects) else { continue }
            report(.leased(session, step: plan.step, block: block))
            start(block, at: position, now: now)
        }
    }

    /// A slot over which a worker vanished goes to the one that has been here longest, of those that have finished something: if that survives
    /// it, it was not the slot, but a machine that loses its workers whatever they do.
    private func isTrusted(_ position: Int) -> Bool {
        let longest = members.firstIndex {
            $0.isReady && !$0.isSilent && !$0.isResting && !$0.isStalled && !$0.declines && memory[$0.hello.process]?.firstStep != nil
        }
        return longest == nil || longest == position
    }

    /// How many slots an idle worker should get: its part of what is to do, by speed, as a power of two. So workers of equal speed, a power of
    /// two of them, get one block each; others get a large one and then smaller ones. After its first block a worker gets none whose
    /// computation is shorter than the transfer of its gradient. Nil when the others are done earlier without it.
    private func share(of position: Int, _ capacity: Capacity) -> Int? {
        let member = members[position]
        if member.isUnreliable, !capacity.allUnreliable { return nil }
        let pace = max(usualPace(of: member) ?? 1, 1e-9)
        let others = capacity.armedSpeed - 1 / pace
        if others * pace > 1e-6, typical.secondsPerSlot != nil {
            let next = capacity.first?.position == position ? capacity.second : capacity.first?.seconds
            let without = max(capacity.slots / others, next ?? .infinity)
            if pace > 1.5 * without + configuration.timing.heartbeat.inSeconds { return nil }
        }
        // An eighth more than its part is better than one more block.
        let fair = capacity.slots / capacity.speed / pace * 1.125
        let least = member.blocks > 0 ? transferSeconds(of: member) / pace : 1
        var size = 1
        while Double(size * 2) <= fair || (Double(size) < least && size < table.slots) { size *= 2 }
        return size
    }

    // MARK: Backups

    /// When nothing is left to lease and somebody is idle: the block that should be here last is shared out, or given to a second worker, if
    /// that is faster by a quarter and a heartbeat.
    mutating func backUp(now: Instant) {
        guard phase == .running, !table.isComplete, !table.hasFreeSlots(avoiding: poison.suspects), members.contains(where: \.isIdle) else { return }
        struct Late {
            var seconds: Double
            var holders: [Int]
        }
        var late: [SlotBlock: Late] = [:]
        for (position, member) in members.enumerated() {
            for assignment in member.assignments where !assignment.isCheck {
                let seconds = remainingSeconds(assignment, of: member, now: now) ?? 0
                var entry = late[assignment.block] ?? Late(seconds: .infinity, holders: [])
                entry.seconds = min(entry.seconds, seconds)
                entry.holders.append(position)
                late[assignment.block] = entry
            }
        }
        var order = late.sorted { ($0.value.seconds, $1.key.slots.lowerBound) > ($1.value.seconds, $0.key.slots.lowerBound) }
        for position in members.indices where members[position].isIdle {
            let worker = members[position]
            guard
                let place = order.prefix(8).firstIndex(where: { block, late in
                    guard !late.holders.contains(position) else { return false }
                    guard let pace = usualPace(of: worker) else { return late.seconds == .infinity }
                    let own = pace * Double(block.count) + transferSeconds(of: worker)
                    return late.seconds > own * 1.25 + configuration.timing.heartbeat.inSeconds
                })
            else { continue }
            let (block, holders) = (order[place].key, order[place].value.holders)
            if !worker.isUnreliable, reclaim(block, from: holders[0], now: now) { return }
            order.remove(at: place)
            table.duplicate(block, for: worker.id, now: now)
            report(.duplicated(step: plan.step, block: block, slow: members[holders[0]].id, session: worker.id))
            start(block, at: position, now: now)
        }
    }

    /// Takes a block of several slots from a slow worker, so that all idle ones can share it, the slow one with the part that fits its speed.
    /// - Returns: false when it is better to give the block to one other worker as well.
    private mutating func reclaim(_ block: SlotBlock, from position: Int, now: Instant) -> Bool {
        let member = members[position]
        guard let lease = member.lease, lease.block == block, lease.digest == nil, table.canReclaim(block),
            let pace = currentPace(of: member, at: lease, now: now)
        else { return false }
        table.reclaim(block, from: member.id)
        if lease.incoming != nil { actions.append(.discardBlock(from: member.id)) }
        members[position].lease = nil
        members[position].noteTaken(lease, now: now, most: configuration.timing.liveness * 3)
        memory.setSpeed(member.hello.process, secondsPerSlot: pace / plan.relativeCost)
        report(.reclaimed(step: plan.step, block: block, slow: member.id))
        actions.append(revoke(lease, of: member.id))
        return true
    }
}

extension Assignment {
    /// Seconds for each slot that is done; nil before the first, and once the block is computed.
    var observedPace: Double? {
        slotsDone > 0 && digest == nil ? since.duration(to: lastSlot).inSeconds / Double(slotsDone) : nil
    }
}
