import Generators
import Testing

@Suite struct TokenDrawsTests {
    /// Numbers of a separate Philox: changing them changes every image that was ever generated.
    @Test func numbersStayTheSame() {
        #expect(TokenDraws(seed: 0).uniform(image: 0, token: 0, subToken: 0) == 0.420_019_700_869_844_64)
        #expect(TokenDraws(seed: 7).uniform(image: 49_999, token: 255, subToken: 1) == 0.999_328_074_269_335)
    }

    @Test func everyPartOfTheKeyCounts() {
        var numbers: Set<Double> = []
        for seed in 0..<3 as Range<UInt64> {
            let draws = TokenDraws(seed: seed)
            for image in 0..<20 {
                for token in 0..<20 { for part in 0..<2 { numbers.insert(draws.uniform(image: image, token: token, subToken: part)) } }
            }
        }
        #expect(numbers.count == 3 * 20 * 20 * 2)
        let mean = numbers.reduce(0, +) / Double(numbers.count)
        #expect(abs(mean - 0.5) < 0.03 && numbers.allSatisfy { $0 >= 0 && $0 < 1 })  // five standard deviations
    }
}
