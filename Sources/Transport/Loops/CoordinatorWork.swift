import Fleet
import Synchronization

/// The long work of a coordinator's delegate, away from the loop: while gradients are added, a step ends or an image is read, heartbeats, greetings
/// and credits go on.
final class CoordinatorWork: Sendable {
    /// In the order of the step, on one thread.
    enum StepJob: Sendable {
        case merge(step: Int, block: SlotBlock, BulkBuffer)
        case finish(step: Int, blocks: [LeaseTable.Finished])
    }

    struct SampleJob: Sendable {
        let id: Int
        let session: SessionID
    }

    enum Outcome: Sendable {
        case merged
        /// `next` and `weights` are nil when the training is complete.
        case committed(next: StepPlan?, weights: BulkPayload?)
        case read(id: Int, BulkPayload, for: SessionID)
        case failed(FleetExit)
    }

    private let delegate: any CoordinatorDelegate
    /// After an error nothing is added or committed any more.
    private let hasFailed = Atomic<Bool>(false)

    init(_ delegate: any CoordinatorDelegate) { self.delegate = delegate }

    func perform(_ job: StepJob) -> Outcome {
        guard !hasFailed.load(ordering: .relaxed) else { return .merged }
        do {
            switch job {
            case .merge(let step, let block, let gradient):
                try delegate.merge(step: step, block: block, gradient: gradient)
                return .merged
            case .finish(let step, let blocks):
                let next = try delegate.finishStep(step, blocks: blocks)
                return .committed(next: next, weights: next == nil ? nil : delegate.weights())
            }
        } catch {
            hasFailed.store(true, ordering: .relaxed)
            return .failed(FleetExit(error))
        }
    }

    func perform(_ job: SampleJob) -> Outcome {
        do {
            return .read(id: job.id, BulkPayload(copying: try delegate.sample(job.id)), for: job.session)
        } catch {
            return .failed(FleetExit(error))
        }
    }
}
