import Evaluation
import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// Measures of images by hand.
@Suite struct ImageQualityTests {
    private let pool = ThreadPool(threads: 1)

    private func flat(_ level: UInt8, height: Int = 8, width: Int = 9) -> EightBitImages {
        EightBitImages(count: 1, height: height, width: width, pixels: [UInt8](repeating: level, count: height * width * 3))
    }

    private func noise(_ shape: Shape, _ key: String) throws -> EightBitImages { try EightBitImages(truncating: randomTensor(shape, key: key)) }

    @Test func truncationByHand() throws {
        // (x + 1)/2·255 = 0, 0, 127.5, 254.87…, 255, 255, 63.75, 191.25
        let x = Tensor([-1, -7, 0, 0.999, 1, 1.5, -0.5, 0.5, 0, 0, 0, 0], [1, 2, 2, 3])
        #expect(try EightBitImages(truncating: x).pixels == [0, 0, 127, 254, 255, 255, 63, 191, 127, 127, 127, 127])
    }

    @Test func psnrByHand() {
        // A difference of 10 everywhere: 10·log₁₀(255²/100).
        #expect(abs(flat(110).psnr(against: flat(100))[0] - 28.130_803_608_679_106) < 1e-12)
        #expect(flat(3).psnr(against: flat(3)) == [.infinity])
        #expect(abs(flat(255).psnr(against: flat(0))[0]) < 1e-12)
    }

    /// Of flat images only the luminance term remains: (2ab + C₁)/(a² + b² + C₁).
    @Test func ssimOfFlatImagesByHand() {
        let (a, b, c) = (100.0, 120.0, 6.5025)
        let want = (2 * a * b + c) / (a * a + b * b + c)
        #expect(abs(flat(100).ssim(against: flat(120), pool: pool)[0] - want) < 1e-12)
    }

    /// One window: means, sample variances and covariance written out.
    @Test func ssimOfOneWindowByHand() throws {
        let (a, b) = (try noise([1, 7, 7, 3], "a"), try noise([1, 7, 7, 3], "b"))
        let channels = (0..<3).map { c in
            let x = (0..<49).map { Double(a.pixels[3 * $0 + c]) / 255 }
            let y = (0..<49).map { Double(b.pixels[3 * $0 + c]) / 255 }
            let (meanX, meanY) = (x.reduce(0, +) / 49, y.reduce(0, +) / 49)
            func covariance(_ u: [Double], _ v: [Double], _ meanU: Double, _ meanV: Double) -> Double {
                zip(u, v).reduce(0) { $0 + ($1.0 - meanU) * ($1.1 - meanV) } / 48
            }
            let variances: Double = covariance(x, x, meanX, meanX) + covariance(y, y, meanY, meanY)
            let structure: Double = (2 * covariance(x, y, meanX, meanY) + 9e-4) / (variances + 9e-4)
            let luminance: Double = (2 * meanX * meanY + 1e-4) / (meanX * meanX + meanY * meanY + 1e-4)
            return luminance * structure
        }
        let want = channels.reduce(0, +) / 3
        #expect(abs(a.ssim(against: b, pool: pool)[0] - want) < 1e-12)
    }

    @Test func ssimIsSymmetricOneForEqualImagesAndTheSameForAnyNumberOfThreads() throws {
        let (a, b) = (try noise([2, 20, 31, 3], "a"), try noise([2, 20, 31, 3], "b"))
        #expect(a.ssim(against: a, pool: pool) == [1, 1])
        let want = a.ssim(against: b, pool: pool)
        #expect(want.allSatisfy { $0 < 0.5 && $0 > -1 })
        #expect(b.ssim(against: a, pool: pool) == want)
        for threads in 2...3 { #expect(a.ssim(against: b, pool: ThreadPool(threads: threads)) == want) }
    }

    @Test func pixelErrorsByHand() {
        let images = Tensor([0, 0, 0, 1, 1, 1], [2, 1, 1, 3])
        // The second reconstruction exceeds 1, which is cut off.
        let errors = PixelError.of(Tensor([0.5, -0.5, 0, 3, 0, 1], [2, 1, 1, 3]), against: images)
        let third = 1.0 / 3
        #expect(errors == [.init(meanSquared: 0.125 * third, meanAbsolute: third), .init(meanSquared: 0.25 * third, meanAbsolute: third)])
    }

    @Test func imagesThatAreNotFiniteAreRefusedByNumber() {
        let images = Tensor(zeros: [3, 8, 8, 3])
        images.slice(from: 2 * 192 + 5, [1]).fillInPlace(.nan)
        #expect(throws: EvaluationError.notFinite(image: 2)) { try EightBitImages(truncating: images) }
        var quality = ReconstructionQuality(pool: pool)
        #expect(throws: EvaluationError.notFinite(image: 2)) { try quality.add(images, of: Tensor(zeros: [3, 8, 8, 3])) }
        #expect(quality.images.isEmpty && quality.psnr == nil && quality.ssim == nil)
        #expect("\(EvaluationError.notFinite(image: 2))".contains("image 2"))
    }

    @Test func qualityDoesNotDependOnTheCutIntoBatches() throws {
        let (distance, layout) = PerceptualDistance.build(width: 4)
        let perceptual = ReconstructionQuality.Perceptual(distance, weights: layout.initialWeights(seed: 1))
        let (originals, reconstructions) = (randomTensor([5, 16, 24, 3], key: "originals"), randomTensor([5, 16, 24, 3], key: "made", scale: 1.2))
        // The last one is perfect.
        let size = 16 * 24 * 3
        reconstructions.slice(from: 4 * size, [size]).copyInPlace(from: originals.slice(from: 4 * size, [size]))
        func measure(_ batches: [Range<Int>]) throws -> ReconstructionQuality {
            var quality = ReconstructionQuality(perceptual: perceptual, pool: pool)
            for batch in batches {
                func cut(_ x: Tensor) -> Tensor { x.slice(from: batch.lowerBound * size, [batch.count, 16, 24, 3]) }
                try quality.add(cut(reconstructions), of: cut(originals))
            }
            return quality
        }
        let quality = try measure([0..<5])
        #expect(try measure([0..<1, 1..<4, 4..<5]).images == quality.images)
        #expect(quality.identicalImages == 1)
        #expect(quality.images[4] == .init(psnr: .infinity, ssim: 1, meanAbsoluteError: 0, perceptual: 0))
        let others = quality.images[..<4]
        #expect(others.allSatisfy { ($0.perceptual ?? 0) > 0.01 })
        func sum(_ values: [Double]) -> Double { values.reduce(0, +) }
        #expect(quality.psnr == sum(others.map(\.psnr)) / 4)
        #expect(quality.ssim == (sum(others.compactMap(\.ssim)) + 1) / 5)
        #expect(quality.meanAbsoluteError == sum(others.map(\.meanAbsoluteError)) / 5)
        #expect(quality.perceptualDistance == sum(others.compactMap(\.perceptual)) / 5)
    }
}

@Suite struct CodebookUsageTests {
    @Test func byHand() {
        var usage = CodebookUsage(bits: 3)
        #expect(usage.distinct == 0 && usage.usage == 0 && usage.usageOfPossible == 0 && usage.perplexity == 1)
        usage.add([5, 5])
        #expect(usage.perplexity == 1 && usage.entropyOfBits == [0, 0, 0])
        // Frequencies ½, ¼, ¼.
        usage.add([0, 1])
        #expect(usage.tokens == 4 && usage.distinct == 3)
        #expect(usage.usage == 0.375)
        #expect(usage.usageOfPossible == 0.75)
        #expect(abs(usage.entropy - 1.5) < 1e-15)
        #expect(abs(usage.perplexity - exp2(1.5)) < 1e-12)
        // Bit 0 is set in three of four, bit 1 never, bit 2 in half.
        #expect(abs(usage.entropyOfBits[0] - 0.811_278_124_459_132_9) < 1e-12)
        #expect(usage.entropyOfBits[1...] == [0, 1])
    }

    @Test func uniformCodesUseTheWholeBook() {
        var usage = CodebookUsage(bits: 6)
        for _ in 0..<3 { usage.add((0..<64).map { Int32($0) }) }
        #expect(usage.usage == 1 && usage.usageOfPossible == 1 && abs(usage.perplexity - 64) < 1e-9)
        #expect(usage.entropyOfBits == [Double](repeating: 1, count: 6))
    }

    @Test func orderDoesNotMatter() {
        let codes = (0..<500).map { Int32($0 * $0 % 97) }
        var (forwards, backwards) = (CodebookUsage(bits: 8), CodebookUsage(bits: 8))
        forwards.add(codes)
        for code in codes.reversed() { backwards.add([code]) }
        #expect(forwards.entropy == backwards.entropy && forwards.entropyOfBits == backwards.entropyOfBits)
    }
}
