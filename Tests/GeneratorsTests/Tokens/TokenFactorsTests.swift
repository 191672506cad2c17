import Generators
import TestKit
import Testing

@Suite struct TokenFactorsTests {
    /// Against the code written out in binary, most significant digit first.
    @Test(arguments: [(1, 1), (3, 3), (2, 5), (4, 1)])
    func codesAreTheirBits(_ pre: Int, _ post: Int) {
        let factors = TokenFactors(preBits: pre, postBits: post)
        #expect(factors.codeCount == factors.preCount * factors.postCount)
        for code in 0..<Int32(factors.codeCount) {
            let digits = String(code, radix: 2)
            let written = String(repeating: "0", count: pre + post - digits.count) + digits
            let (a, b) = factors.split(code)
            #expect(Int(written.suffix(pre), radix: 2) == a && Int(written.prefix(post), radix: 2) == b, "\(written)")
            #expect(factors.join(pre: a, post: b) == code)
            let channels = factors.channels(of: [code])
            #expect(channels == written.reversed().map { $0 == "1" ? 1 : -1 }, "\(written)")
            #expect(factors.code(of: channels) == code)
        }
    }

    @Test func onlyWhatIsAboveZeroSetsABit() {
        let factors = TokenFactors(preBits: 2, postBits: 4)
        #expect(factors.code(of: [0, -0.0, .nan, .leastNonzeroMagnitude, -1, .infinity]) == 0b101000)
    }

    /// Fixture 43: official token arithmetic.
    @Test(.enabled(if: Fixtures.exist("43_"), Fixtures.skipped), arguments: try FixtureCase.all("43_") { $0.name.hasPrefix("bits") })
    func matchesGoldenTokens(_ fixture: FixtureCase) throws {
        let arrays = try fixture.open()
        let bits = fixture.settings.integers("bits")
        let factors = TokenFactors(preBits: bits[0], postBits: bits[1])
        let channels = try arrays.floats("inputs/y")
        let codes = stride(from: 0, to: channels.count, by: factors.bits).map { factors.code(of: channels[$0..<($0 + factors.bits)]) }
        #expect(codes.map(Int.init) == (try arrays.integers("outputs/joint")))
        #expect(codes.map { factors.split($0).pre } == (try arrays.integers("outputs/pre")))
        #expect(codes.map { factors.split($0).post } == (try arrays.integers("outputs/post")))
        #expect(factors.channels(of: codes) == (try arrays.floats("outputs/z")))

        let given = try arrays.integers("inputs/joint_ids").map(Int32.init)
        let (pre, post) = (try arrays.integers("outputs/ids_pre"), try arrays.integers("outputs/ids_post"))
        #expect(given.map { factors.split($0).pre } == pre && given.map { factors.split($0).post } == post)
        #expect(zip(pre, post).map { factors.join(pre: $0.0, post: $0.1) } == given)
        let sameChannels = factors.channels(of: given) == (try arrays.floats("outputs/ids_z"))
        #expect(sameChannels && !given.isEmpty && codes.count == fixture.settings.integer("n"))
    }
}
