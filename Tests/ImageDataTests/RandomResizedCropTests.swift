import ImageData
import TensorCore
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// Where the student's view is cut: bounds that every box keeps, and torchvision's last resort.
@Suite struct RandomResizedCropTests {
    private let random = Philox(seed: 9, domain: "student crop")

    private func boxes(
        _ width: Int, _ height: Int, count: Int = 2000, crop: RandomResizedCrop = RandomResizedCrop()
    ) -> [RandomResizedCrop.Box] {
        (0..<count).map { crop.box(width: width, height: height, random: random, step: 4, sample: $0) }
    }

    @Test(
        "area and ratio are those asked for, up to the rounding of the sides",
        arguments: [(500, 375), (64, 64), (375, 500), (900, 500), (301, 404)])
    func boundsAreKept(_ width: Int, _ height: Int) {
        var shares: [Double] = []
        for box in boxes(width, height) {
            #expect(box.x >= 0 && box.y >= 0 && box.width >= 1 && box.height >= 1)
            #expect(box.x + box.width <= width && box.y + box.height <= height)
            let (w, h) = (Double(box.width), Double(box.height))
            #expect((w + 0.5) * (h + 0.5) >= 0.08 * Double(width * height), "\(box)")
            #expect((w + 0.5) / (h - 0.5) >= 3.0 / 4 && (w - 0.5) / (h + 0.5) <= 4.0 / 3, "\(box)")
            shares.append(w * h / Double(width * height))
        }
        // Small and large, wide and tall, at every border.
        let found = boxes(width, height)
        #expect((shares.min() ?? 1) < 0.1 && (shares.max() ?? 0) > 0.65)
        #expect(found.contains { 4 * $0.width > 5 * $0.height } && found.contains { 5 * $0.width < 4 * $0.height })
        #expect(found.contains { $0.x < 4 } && found.contains { $0.x + $0.width > width - 4 })
        #expect(found.contains { $0.y < 4 } && found.contains { $0.y + $0.height > height - 4 })
    }

    /// Up to ¾ of a square fits at any ratio; of larger areas a, log(1/a)/log(4/3) do. So every 0.17 of area get 0.17/(0.67 + 0.119) of the
    /// boxes, within 4 deviations.
    @Test func areasAreSpreadEvenly() {
        let shares = boxes(1000, 1000, count: 20_000).map { Double($0.width * $0.height) / 1e6 }
        for quarter in 0..<3 {
            let (low, high) = (0.08 + 0.17 * Double(quarter), 0.08 + 0.17 * Double(quarter + 1))
            let share = Double(shares.filter { $0 >= low && $0 < high }.count) / 20_000
            #expect(abs(share - 0.2155) < 0.012, "areas in \(low)..<\(high): \(share)")
        }
    }

    /// The definition once more, step by step, from the same random numbers.
    @Test(arguments: [(500, 375), (64, 64), (31, 90), (3, 2), (40, 9)])
    func equalsTorchvisionsSteps(_ width: Int, _ height: Int) {
        var fallbacks = 0
        for sample in 0..<500 {
            func uniform(_ draw: Int) -> Double { random.uniform(step: 4, sample: sample, draw: draw) }
            var expected: RandomResizedCrop.Box?
            for attempt in 0..<10 where expected == nil {
                let area = Double(width * height) * (0.08 + (1 - 0.08) * uniform(2 * attempt))
                let ratio = exp(log(3.0 / 4) + (log(4.0 / 3) - log(3.0 / 4)) * uniform(2 * attempt + 1))
                let (w, h) = (Int(rint(sqrt(area * ratio))), Int(rint(sqrt(area / ratio))))
                if 0 < w, w <= width, 0 < h, h <= height {
                    expected = .init(
                        x: random.integer(below: width - w + 1, step: 4, sample: sample, draw: 21),
                        y: random.integer(below: height - h + 1, step: 4, sample: sample, draw: 20), width: w, height: h)
                }
            }
            let box = RandomResizedCrop().box(width: width, height: height, random: random, step: 4, sample: sample)
            if let expected {
                #expect(box == expected)
            } else {
                fallbacks += 1
            }
        }
        #expect(fallbacks < 500)
    }

    @Test("where no box fits, the largest central one", arguments: [
        (400, 10, RandomResizedCrop.Box(x: 193, y: 0, width: 13, height: 10)), (10, 400, .init(x: 0, y: 193, width: 10, height: 13)),
        (1, 1000, .init(x: 0, y: 499, width: 1, height: 1)), (1000, 1, .init(x: 499, y: 0, width: 1, height: 1)),
    ])
    func longImages(_ width: Int, _ height: Int, _ expected: RandomResizedCrop.Box) {
        // At least 8 % of the area in a strip this long is no allowed ratio.
        #expect(boxes(width, height, count: 50).allSatisfy { $0 == expected })
        // A whole image of an allowed ratio is taken whole where only more than all of it would do.
        let greedy = RandomResizedCrop(scale: 2...3)
        #expect(boxes(40, 35, count: 5, crop: greedy).allSatisfy { $0 == .init(x: 0, y: 0, width: 40, height: 35) })
    }

    @Test func everyImageHasABox() {
        for width in 1...6 {
            for height in 1...6 {
                for box in boxes(width, height, count: 100) {
                    #expect(box.width >= 1 && box.height >= 1 && box.x >= 0 && box.y >= 0)
                    #expect(box.x + box.width <= width && box.y + box.height <= height)
                }
            }
        }
    }
}
