import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// Where torchvision's `RandomResizedCrop` cuts: a rectangle of random area and aspect ratio at a random place.
///
/// Area uniform in `scale` of the image's, logarithm of width : height uniform in that of `ratio`, sides rounded, halves to even. A rectangle
/// that does not fit is drawn anew; after ten in vain, as happens with long images, it is the largest central one of an allowed ratio.
package struct RandomResizedCrop: Sendable {
    /// A rectangle of an image.
    package struct Box: Sendable, Equatable {
        package var x: Int
        package var y: Int
        package var width: Int
        package var height: Int

        package init(x: Int, y: Int, width: Int, height: Int) {
            (self.x, self.y, self.width, self.height) = (x, y, width, height)
        }
    }

    /// Share of the image's area.
    package var scale: ClosedRange<Double>
    /// Width by height.
    package var ratio: ClosedRange<Double>

    /// How often a rectangle is drawn. Draws 0 … 2·attempts − 1 are its area and ratio, the next two its row and column.
    static let attempts = 10
    /// The first draw that a box leaves unused.
    static let draws = 2 * attempts + 2

    package init(scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3) {
        self.scale = scale
        self.ratio = ratio
    }

    /// The box of an image, a function of the random numbers' seed and domain, of step and sample.
    package func box(width: Int, height: Int, random: Philox, step: Int, sample: Int) -> Box {
        func uniform(_ low: Double, _ high: Double, draw: Int) -> Double {
            low + (high - low) * random.uniform(step: step, sample: sample, draw: draw)
        }
        func whole(_ side: Double) -> Int { Int(side.rounded(.toNearestOrEven)) }
        for attempt in 0..<Self.attempts {
            let area = Double(width * height) * uniform(scale.lowerBound, scale.upperBound, draw: 2 * attempt)
            let aspect = exp(uniform(log(ratio.lowerBound), log(ratio.upperBound), draw: 2 * attempt + 1))
            let (boxWidth, boxHeight) = (whole((area * aspect).squareRoot()), whole((area / aspect).squareRoot()))
            guard (1...width).contains(boxWidth), (1...height).contains(boxHeight) else { continue }
            let draw = 2 * Self.attempts
            return Box(
                x: random.integer(below: width - boxWidth + 1, step: step, sample: sample, draw: draw + 1),
                y: random.integer(below: height - boxHeight + 1, step: step, sample: sample, draw: draw), width: boxWidth, height: boxHeight)
        }
        let imageRatio = Double(width) / Double(height)
        let boxWidth = imageRatio > ratio.upperBound ? whole(Double(height) * ratio.upperBound) : width
        let boxHeight = imageRatio < ratio.lowerBound ? whole(Double(width) / ratio.lowerBound) : height
        return Box(x: (width - boxWidth) / 2, y: (height - boxHeight) / 2, width: boxWidth, height: boxHeight)
    }
}
