import Checksums
import Fleet

/// Leases, gradients and commits, with the invariants that they have to keep.
extension SimulatedCoordinator {
    func noteLease(step: Int, block: SlotBlock, to session: SessionID) {
        if step != self.step { simulator.violate(.leases, "\(block) of step \(step) leased in step \(self.step)") }
        if let problem = ledger.lease(block, to: session) { simulator.violate(.leases, "step \(step): \(problem)") }
    }

    func store(_ header: BulkHeader, _ payload: [UInt8], from session: SessionID) {
        guard header.generation == generation, header.session == session, header.step == step, ledger.holds(session, header.block) else {
            return simulator.violate(
                .generation,
                """
                a gradient of generation \(header.generation), step \(header.step), level \(header.level), index \(header.index) is used in \
                generation \(generation), step \(step), where \(session.short) holds \(ledger.holders[session] ?? [])
                """)
        }
        var buffer = buffers[session] ?? Array(repeating: 0, count: ToyTraining.vectorBytes)
        buffer.replaceSubrange(header.offset..<header.offset + payload.count, with: payload)
        buffers[session] = buffer
    }

    func merge(step: Int, block: SlotBlock, from session: SessionID) {
        guard let bytes = buffers.removeValue(forKey: session) else {
            return simulator.violate(.everySlotOnce, "step \(step): \(block) of \(session.short) merged without its bytes")
        }
        guard step == self.step, ledger.holds(session, block) else {
            return simulator.violate(
                .leases, "\(block) of step \(step) merged from \(session.short), which does not hold it in step \(self.step)")
        }
        if let problem = ledger.merge(block, from: session) { return simulator.violate(.everySlotOnce, "step \(step): \(problem)") }
        root = tree.insert(ToyTraining.unpack(bytes), at: block) { $0 + $1 }
        simulator.noteMerge(waiting: tree.waitingValues, arriving: buffers.count)
    }

    /// The step begins anew: nothing of it may be left anywhere.
    func restart(step: Int) {
        if step != self.step { simulator.violate(.everySlotOnce, "step \(step) begins anew in step \(self.step)") }
        if let (session, blocks) = ledger.holders.first {
            simulator.violate(.leases, "step \(step) begins anew, but \(session.short) was not told that \(blocks) are not needed")
        }
        buffers = [:]
        root = nil
        tree.removeAll()
        ledger = LeaseLedger(slots: simulator.scenario.slots)
    }

    /// After every event: one buffer for each lease at most.
    func checkMemory() {
        if buffers.count > ledger.holders.count {
            simulator.violate(.reducerMemory, "\(buffers.count) gradients on their way for \(ledger.holders.count) leases")
        }
    }

    /// Updates, checks and commits a step.
    /// - Returns: what the state machine is to be told; nil if the process died or an invariant did not hold.
    func finish(step: Int, blocks: [LeaseTable.Finished]) -> CoordinatorState.Event? {
        let scenario = simulator.scenario
        let before = simulator.violations.count
        guard step == self.step, ledger.isComplete, let sum = root else {
            simulator.violate(.everySlotOnce, "step \(step) finished with \(ledger.mergedSlots) of \(scenario.slots) slots merged")
            return nil
        }
        if blocks.flatMap({ Array($0.block.slots) }) != Array(0..<scenario.slots) {
            simulator.violate(.everySlotOnce, "step \(step): the blocks named are \(blocks.map(\.block.description))")
        }
        if let (session, blocks) = ledger.holders.first {
            simulator.violate(.leases, "step \(step) ends, but \(session.short) was not told that \(blocks) are not needed")
        }
        if !buffers.isEmpty || tree.waitingValues != 0 {
            simulator.violate(
                .reducerMemory, "step \(step) ends with \(buffers.count) gradients on their way and \(tree.waitingValues) partial sums")
        }
        commit(sum, blocks: blocks)
        guard isAlive, simulator.violations.count == before || !simulator.stopsAtViolation else { return nil }
        root = nil
        tree.removeAll()
        ledger = LeaseLedger(slots: scenario.slots)
        return .stepCommitted(next: self.step == scenario.steps ? nil : simulator.training.plan(self.step))
    }

    private func commit(_ sum: ToyTraining.Vector, blocks: [LeaseTable.Finished]) {
        let training = simulator.training
        let plan = training.plan(step)
        if plan.epoch != audit.epoch { audit = ToyTraining.Audit(epoch: plan.epoch) }
        for block in blocks { for slot in block.block.slots { training.add(step: step, slot: slot, to: &audit) } }
        weights = training.updated(weights, gradient: sum)
        let record = JournalRecord(
            step: step, epoch: plan.epoch, values: plan.values, gradientDigest: ToyTraining.digest(sum),
            weightsDigest: ToyTraining.digest(weights), samplesDigest: plan.samplesDigest, auditHash: audit.text,
            blocks: blocks.map { JournalRecord.Block(session: $0.session, block: $0.block) })
        let isEndOfEpoch = training.epoch(of: step + 1) != plan.epoch
        if isEndOfEpoch, audit != training.fullAudit(epoch: plan.epoch) {
            simulator.violate(.sampleAudit, "epoch \(plan.epoch) ends with audit \(audit.text), not \(training.fullAudit(epoch: plan.epoch).text)")
        }
        simulator.check(record)
        if crashPoint == .beforeLine { return simulator.crashCoordinator() }
        guard append(record) else { return }
        if crashPoint == .afterLine { return simulator.crashCoordinator() }
        step += 1
        simulator.committed(step: record.step)
        if step % simulator.scenario.checkpointSteps == 0, step < simulator.scenario.steps { writeCheckpoint() }
    }

    /// Appends the line of a step, or compares with the one that is there.
    /// - Returns: false when the process died over it.
    private func append(_ record: JournalRecord) -> Bool {
        let lines = journal.records
        if let first = lines.first?.step, record.step - first < lines.count {
            let old = lines[record.step - first]
            if (old.gradientDigest, old.weightsDigest) != (record.gradientDigest, record.weightsDigest)
                || (old.samplesDigest, old.auditHash) != (record.samplesDigest, record.auditHash)
            {
                simulator.violate(.reference, "step \(record.step) came out otherwise than the journal has it")
            }
            simulator.replayedSteps += 1
            return true
        }
        guard generation == simulator.disk.generation else {
            simulator.violate(.generation, "generation \(generation) writes the journal of generation \(simulator.disk.generation)")
            return false
        }
        let line = Array(journal.append(record).utf8)
        if crashPoint == .withinLine {
            simulator.disk.journal += line.prefix(simulator.random.integer(0...line.count - 1))
            simulator.crashCoordinator()
            return false
        }
        simulator.append(line)
        return true
    }

    // MARK: Checkpoints

    var checkpoint: SimulatedDisk.Checkpoint { .init(step: step, weights: weights, audit: audit) }

    /// Takes a snapshot and publishes it later, as the writer's thread does; while it is busy, a due checkpoint is left out.
    private func writeCheckpoint() {
        guard !writesCheckpoint else { return }
        writesCheckpoint = true
        let snapshot = checkpoint
        simulator.after(simulator.random.seconds(0...3)) { [weak self] in
            guard let self, isAlive else { return }
            writesCheckpoint = false
            publish(snapshot)
        }
    }

    func publish(_ checkpoint: SimulatedDisk.Checkpoint) {
        guard generation == simulator.disk.generation else {
            return simulator.violate(.generation, "generation \(generation) publishes a checkpoint of generation \(simulator.disk.generation)")
        }
        simulator.disk.checkpoint = checkpoint
    }
}
