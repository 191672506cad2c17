import ImageData
import NeuralNet
import TensorCore
import Testing
import Training

/// Memory over many training steps, each in a process of its own where nothing else takes any.
@Suite struct SteadyStateTests {
    /// After one step of every kept-token count no step asks the system for tensor memory again, in whatever order the counts come.
    @Test func stepsAllocateNothingOnceEveryShapeHasBeenSeen() async {
        await #expect(processExitsWith: .success) {
            for preset in ReducedPreset.allCases {
                for recompute in Recomputation.allCases {
                    let steps = try Steps(preset, recompute)
                    for kept in steps.keptTokens { try steps.run(kept) }
                    let before = TensorMemory.current
                    for kept in steps.keptTokens.reversed() + steps.keptTokens + steps.keptTokens.reversed() { try steps.run(kept) }
                    let after = TensorMemory.current
                    #expect(after.systemAllocations == before.systemAllocations, "\(preset), \(recompute): \(before), then \(after)")
                    #expect(after.liveBytes == before.liveBytes, "\(preset), \(recompute): \(before), then \(after)")
                }
            }
        }
    }

    /// Many different counts cost hardly more than the most expensive one: memory is not kept by size.
    @Test func manyKeptTokenCountsCostNoMoreThanTheLargest() async {
        await #expect(processExitsWith: .success) {
            let steps = try Steps(.gr, .none)
            for kept in stride(from: 64, through: 16, by: -4) { try steps.run(kept) }
            let memory = TensorMemory.current
            #expect(Double(memory.heldBytes) < 1.05 * Double(memory.peakLiveBytes) + 0x1p22, "\(memory)")
        }
    }

    /// What a pass needs beyond weights and gradients. At this size the maps of the one block that runs weigh a little more in the sum than at
    /// full size, where it is half and less (docs/kernels.md).
    @Test(arguments: ReducedPreset.allCases)
    func recomputedBlocksHalveTheActivations(_ preset: ReducedPreset) async {
        await #expect(processExitsWith: .success) { [preset] in
            // In this order, because a process remembers its peak.
            let peaks = try [Recomputation.blocks, .none].map { recompute in
                let steps = try Steps(preset, recompute, deep: true)
                let before = TensorMemory.current.liveBytes
                try steps.run(36)
                return TensorMemory.current.peakLiveBytes - before
            }
            #expect(peaks[0] * 100 < peaks[1] * 55, "\(preset): \(peaks[0]) of \(peaks[1]) bytes")
        }
    }

    /// Training steps of a reduced preset on two threads.
    private struct Steps {
        let task: TokenizerTask
        let keptTokens: [Int]
        private let weights: Tensor
        private let result: Tensor
        private let images: [(sample: Int, name: String, bytes: [UInt8])]
        private let pool = ThreadPool(threads: 2)

        init(_ preset: ReducedPreset, _ recompute: Recomputation, deep: Bool = false) throws {
            let configuration = try preset.configuration(recompute: recompute, deep: deep)
            task = try TokenizerTask(configuration)
            keptTokens = configuration.tokenizer.keptTokens.candidates
            weights = task.layout.initialWeights(seed: 1)
            result = Tensor(zeros: [task.resultCount])
            images = try SmallModel.images(2)
        }

        func run(_ kept: Int) throws {
            try task.computeSlot(weights: weights, images: images, step: 1, slot: 0, kept: kept, into: result, pool: pool)
        }
    }
}
