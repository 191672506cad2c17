import ImageData
import TensorCore
import Testing

@Suite struct ResamplingTests {
    @Test(
        "equals Pillow 11.3.0 byte for byte",
        arguments: [
            (61, 47, 20, 16, "03d484db472d42ff", "07ad50dda807906f"),
            (61, 47, 130, 99, "c7c7861f196e98ba", "ed092c2017dd906e"),
            (61, 47, 61, 16, "965300a46b1ff09a", "018067b1b6e868d6"),
            (61, 47, 20, 47, "954ca173f0272a59", "295ac1ce25f3150f"),
            (40, 40, 39, 41, "99f10f2557c61d9f", "3926fb463b436709"),
            (1, 1, 8, 8, "6f8d0b62392dd700", "6f8d0b62392dd700"),
            (3, 200, 7, 5, "def2625e968f4b67", "e1b342815325a61a"),
            (97, 5, 4, 64, "cc0c09963b53cbf2", "26d4fe26b35683b8"),
        ] as [(Int, Int, Int, Int, String, String)])
    func equalsPillow(_ width: Int, _ height: Int, _ toWidth: Int, _ toHeight: Int, _ linear: String, _ cubic: String) {
        let image = synthetic(width, height)
        #expect(digest(image.resized(width: toWidth, height: toHeight, filter: .bilinear)) == linear)
        #expect(digest(image.resized(width: toWidth, height: toHeight, filter: .bicubic)) == cubic)
    }

    /// Every number of taps from one to beyond all unrolled loops, in both directions.
    @Test("equals the definition", arguments: [ResamplingFilter.bilinear, .bicubic])
    func equalsTheDefinition(_ filter: ResamplingFilter) {
        let image = synthetic(67, 59)
        let sizes = [1, 2, 3, 5, 7, 10, 13, 16, 20, 23, 27, 31, 34, 40, 46, 52, 58, 59, 60, 66, 67, 68, 90, 134]
        for (number, width) in sizes.enumerated() {
            let height = sizes[(number * 7 + 3) % sizes.count]
            #expect(
                image.resized(width: width, height: height, filter: filter)
                    == PillowDefinition.resized(image, width: width, height: height, filter: filter), "\(width)x\(height)")
        }
    }

    @Test("images smaller than the filter", arguments: [(1, 1), (2, 1), (1, 5), (3, 2), (2, 7)])
    func smallImages(_ width: Int, _ height: Int) {
        let image = synthetic(width, height)
        for (toWidth, toHeight) in [(1, 1), (2, 3), (3, 1), (4, 9), (8, 8)] {
            for filter in [ResamplingFilter.bilinear, .bicubic] {
                #expect(
                    image.resized(width: toWidth, height: toHeight, filter: filter)
                        == PillowDefinition.resized(image, width: toWidth, height: toHeight, filter: filter))
            }
        }
    }

    @Test("a part computed alone equals the crop of the whole", arguments: [(30, 23), (61, 90), (100, 47), (61, 47)])
    func partEqualsCrop(_ width: Int, _ height: Int) {
        let image = synthetic(61, 47)
        for filter in [ResamplingFilter.bilinear, .bicubic] {
            let whole = image.resized(width: width, height: height, filter: filter)
            for (x, y) in [(0, 0), (width - 11, height - 9), (width / 3, height / 4)] {
                let part = image.resized(
                    width: width, height: height, filter: filter, x: x, y: y, cropWidth: 11, cropHeight: 9)
                #expect(part == whole.cropped(x: x, y: y, width: 11, height: 9))
            }
        }
    }
}

@Suite struct ImageTransformTests {
    @Test func sizesFollowTorchvision() {
        #expect(ImageTransform.resizedSize(width: 500, height: 375, shorterSide: 256) == (341, 256))
        #expect(ImageTransform.resizedSize(width: 375, height: 500, shorterSide: 256) == (256, 341))
        #expect(ImageTransform.resizedSize(width: 64, height: 64, shorterSide: 64) == (64, 64))
        #expect(ImageTransform.resizedSize(width: 1, height: 3, shorterSide: 8) == (8, 24))
        // Halves go to the even neighbour.
        #expect([0, 1, 2, 3, 5, 85].map { ImageTransform.centreOffset(256 + $0, crop: 256) } == [0, 0, 1, 2, 2, 42])
    }

    @Test func validationIsTheCentre() {
        let image = synthetic(61, 47)
        let square = ImageTransform(size: 20, purpose: .validation).square(of: image, step: 3, sample: 4)
        let whole = image.resized(width: 25, height: 20, filter: .bilinear)
        #expect(square == whole.cropped(x: 2, y: 0, width: 20, height: 20))
    }

    @Test func trainingCropsWherePhiloxSays() {
        let image = synthetic(90, 47)
        let transform = ImageTransform(size: 47, purpose: .training, seed: 11)
        var offsets: Set<Int> = []
        for sample in 0..<200 {
            let x = Philox(seed: 11, domain: "crop").integer(below: 44, step: 5, sample: sample, draw: 1)
            offsets.insert(x)
            #expect(
                transform.square(of: image, step: 5, sample: sample) == image.cropped(x: x, y: 0, width: 47, height: 47))
        }
        #expect(offsets.min() == 0 && offsets.max() == 43, "both edges are reached")
        let later = (0..<200).map { transform.square(of: image, step: 6, sample: $0) }
        #expect(later != (0..<200).map { transform.square(of: image, step: 5, sample: $0) })
    }

    @Test func enlargesSmallImages() {
        let square = ImageTransform(size: 8, purpose: .training).square(of: synthetic(1, 1), step: 0, sample: 0)
        #expect(square.width == 8 && square.height == 8 && Set(square.pixels.indices.map { square.pixels[$0] }).count <= 3)
    }

    @Test("floats are (x/255 − ½)/½, and come back")
    func scales() {
        var levels: [UInt8] = []
        for level in 0..<256 { levels += [UInt8(level), UInt8(255 - level), UInt8(level)] }
        let image = RGBImage(width: 16, height: 16, pixels: levels)
        let transform = ImageTransform(size: 16, purpose: .validation)
        var floats = [Float](repeating: .nan, count: transform.elementCount)
        floats.withUnsafeMutableBufferPointer { transform(image, step: 0, sample: 0, into: $0) }
        for (index, level) in levels.enumerated() {
            #expect(abs(Double(floats[index]) - (Double(level) / 127.5 - 1)) < 2e-7)
        }
        #expect(floats[0] == -1 && floats[1] == 1)
        let back = floats.withUnsafeBufferPointer { ImageTransform.image(from: $0, width: 16, height: 16) }
        #expect(back == image)
        let wild: [Float] = [.nan, -.infinity, 5]
        #expect(wild.withUnsafeBufferPointer { ImageTransform.image(from: $0, width: 1, height: 1).pixels } == [0, 0, 255])
    }
}
