import TensorCore
import Testing

/// Factors of dropout against the random words that define them.
@Suite struct DropoutFactorsTests {
    private let pool = ThreadPool(threads: 2)
    private let random = Philox(seed: 11, domain: "dropout")

    /// The factors by definition: element e of a sample has word e mod 4 of draw e/4.
    private func definition(rate: Float, step: Int, samples: [Int], length: Int) -> [Float] {
        samples.flatMap { sample in
            (0..<length).map { element -> Float in
                let words = random.words(step: step, sample: sample, draw: element / 4)
                let word = [words.0, words.1, words.2, words.3][element % 4]
                return Double(word) < Double(rate) * 0x1p32 ? 0 : 1 / (1 - rate)
            }
        }
    }

    /// Samples shorter and longer than the pieces and tiles of the computation, of lengths that do not divide by 4 among them; steps and samples of more
    /// than 32 bits.
    @Test(arguments: [(25, 3), (2049, 2), (40_003, 2)])
    func areTheWordsOfTheirSamples(_ length: Int, _ count: Int) {
        let samples = (0..<count).map { $0 * 7 + (1 << 33) }
        for (rate, step) in [(Float(0.1), 3), (0.5, (1 << 34) + 1), (0, 0)] {
            let factors = DropoutFactors(rate: rate, random: random, step: step, samples: samples, shape: [count, length])
            let isSame = Tensor(filledWith: 1, [count, length]).multiplyingElements(by: factors, pool: pool).elements
                == definition(rate: rate, step: step, samples: samples, length: length)
            #expect(isSame, "rate \(rate), step \(step)")
        }
    }

    @Test func residualSum() {
        let shape: Shape = [2, 5003]
        let x = Tensor((0..<shape.count).map { Float($0 % 13) }, shape)
        let branch = Tensor((0..<shape.count).map { Float($0 % 7) - 3 }, shape)
        let want = definition(rate: 0.5, step: 1, samples: [4, 9], length: 5003)
        let factors = DropoutFactors(rate: 0.5, random: random, step: 1, samples: [4, 9], shape: shape)
        // Factors of 0 and 2: every product and sum is exact.
        let expected = zip(zip(x.elements, branch.elements), want).map { $0.0 + $0.1 * $1 }
        let isSame = x.adding(branch, times: factors, pool: pool).elements == expected
        let isSameAsGiven = x.adding(branch, times: DropoutFactors(Tensor(want, shape)), pool: pool).elements == expected
        #expect(isSame)
        #expect(isSameAsGiven)
    }
}
