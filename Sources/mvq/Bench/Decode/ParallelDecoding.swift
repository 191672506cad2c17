import Generators
import TensorCore

/// RandAR: a whole image of 256 codes in 88 steps against one code a step.
struct ParallelDecoding: Encodable {
    let codes: Int
    let steps: Int
    let schedule: String
    let guided: Bool
    let seconds: Double
    let secondsSequential: Double
    let speedUp: Double
    /// Sequential steps over parallel ones: the speed-up if a step cost the same whatever it makes.
    let stepRatio: Double

    /// Whole images in turns; every step's median over the rounds.
    init(_ images: ImageCodeGenerator, steps: Int, schedule: ParallelSchedule, guided: Bool, rounds: Int) throws {
        let codes = images.configuration.cells
        let part = GenerationRequest.Part(try TokenSampler(), guidance: guided ? .linear(from: 1, to: 3.4) : .constant(1))
        let counter = ProgressCounter("decoding in random order, codes", after: 2)
        /// The seconds of each step.
        func run(_ steps: Int) throws -> [Double] {
            var (times, last) = ([Double](), ContinuousClock.now)
            let request = GenerationRequest(
                classes: [1], images: [0], order: .random(keptTokens: codes, steps: steps, schedule: schedule), pre: part, post: part, seed: 1)
            _ = try images.generate(request) { done, total in
                let now = ContinuousClock.now
                times.append(Double((now - last).components.seconds) + Double((now - last).components.attoseconds) * 1e-18)
                last = now
                counter.update(done, of: total)
            }
            return times
        }
        var (parallel, sequential) = ([[Double]](), [[Double]]())
        for _ in 0..<rounds {
            parallel.append(try run(steps))
            sequential.append(try run(codes))
        }
        counter.finish()
        func total(_ rounds: [[Double]]) -> Double {
            rounds[0].indices.reduce(0) { sum, step in sum + median(rounds.map { $0[step] }) }
        }
        self.codes = codes
        self.steps = parallel[0].count
        self.schedule = schedule.rawValue
        self.guided = guided
        seconds = total(parallel)
        secondsSequential = total(sequential)
        speedUp = secondsSequential / seconds
        stepRatio = Double(sequential[0].count) / Double(parallel[0].count)
    }
}
