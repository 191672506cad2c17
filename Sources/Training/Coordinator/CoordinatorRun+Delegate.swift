import Failpoints
import Fleet
import NeuralNet
import TensorCore
import Transport

/// What the fleet's loop asks of a run: weights out, gradients in, the end of a step.
extension CoordinatorRun: CoordinatorDelegate {
    public func weights() -> BulkPayload {
        // A copy: the optimizer writes the weights in place while old ones may still be on their way.
        let buffer = weightBuffers.take()
        let vector = Tensor(sharing: buffer.bytes, owner: buffer, [vectors.weightsCount])
        vectors.pack(weights: state.optimizer.weights, statistics: state.statistics, into: vector)
        return BulkPayload(buffer)
    }

    public func sample(_ id: Int) throws -> [UInt8] { try source.bytes(of: id) }

    public func merge(step: Int, block: SlotBlock, gradient: BulkBuffer) throws {
        Failpoints.reach(.coordinatorCollect)
        let vector = Tensor(sharing: gradient.bytes, owner: gradient, [vectors.resultCount])
        root = tree.insert(vector, at: block) { left, right in
            left.accumulateInPlace(right, pool: pool)
            return left
        }
    }

    public func restartStep(_ step: Int) {
        tree = SlotTree(slots: configuration.training.slots)
        root = nil
    }

    public func finishStep(_ step: Int, blocks: [LeaseTable.Finished]) throws -> StepPlan? {
        let stepPlan = plan.stepPlan(step)
        func refuse(_ what: String) throws -> Never { throw TrainingError.notExactlyOnce(epoch: stepPlan.epoch, step: step, what: what) }
        let computed = blocks.map(\.block)
        if let problem = computed.coverageProblem(slots: stepPlan.slots) { try refuse("of its slots, \(problem)") }
        guard let sum = root else { preconditionFailure("step \(step) ended without a gradient") }
        root = nil
        tree = SlotTree(slots: configuration.training.slots)
        // Counted is what was computed; what that must come to at the end of an epoch is known without the plan.
        let audit = plan.audit(after: step, blocks: computed, previous: audit)
        if plan.endsEpoch(step), case let complete = plan.completeAudit(ofEpoch: audit.epoch), audit != complete {
            try refuse("at the epoch's end the audit hash of its samples is \(audit.text), every sample once gives \(complete.text)")
        }
        Failpoints.reach(.coordinatorUpdate)
        let outcome = try update(sum, step: step, state: &state)
        self.audit = audit
        try journal.commit(
            JournalRecord(
                step: step, epoch: stepPlan.epoch, values: outcome.values, gradientDigest: outcome.gradientDigest,
                weightsDigest: outcome.weightsDigest, samplesDigest: stepPlan.samplesDigest, auditHash: audit.text,
                blocks: blocks.map { JournalRecord.Block(session: $0.session, block: $0.block) }))
        try report.step(step, epoch: stepPlan.epoch, values: outcome.values, images: outcome.images)
        if state.step >= configuration.training.steps {
            // Only then are the workers let go: should this process die before, the same command needs them again.
            handOver()
            writer.waitUntilIdle()
            return nil
        }
        if plan.isEvaluated(state.step) {
            // Evaluations must not depend on how busy the disk is: this one waits for its turn.
            handOver()
        } else if state.step % configuration.checkpoints.everySteps == 0 {
            checkpoint()
        }
        return plan.stepPlan(state.step)
    }

    public func report(_ event: FleetEvent) {
        // Reported right before the plan goes out.
        if case .stepStarted = event { Failpoints.reach(.coordinatorPlan) }
        if case .poisonBlock(let step, let block, _) = event { poison = plan.samples(step: step, block: block) }
        report.fleet(event)
    }
}
