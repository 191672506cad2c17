import ImageData
import TensorCore
import TestKit
import Testing

/// The three views of a sample: each pixel by the definition, each choice by Philox, one decoding for all.
@Suite struct ViewTests {
    typealias View = ImageTransform.View

    private func floats(_ transform: ImageTransform, _ image: RGBImage, step: Int, sample: Int) -> [UInt32] {
        var floats = [Float](repeating: .nan, count: transform.elementCount)
        floats.withUnsafeMutableBufferPointer { transform(image, step: step, sample: sample, into: $0) }
        return floats.map(\.bitPattern)
    }

    /// Compares without printing thousands of numbers.
    private func expectSame<Value: Equatable>(
        _ got: Value, _ want: Value, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isSame = got == want
        #expect(isSame, "\(what)", sourceLocation: sourceLocation)
    }

    /// Levels as torchvision's ToTensor and Normalize scale them.
    private func scaled(_ square: RGBImage, _ view: View) -> [UInt32] {
        let (means, deviations): ([Float], [Float]) =
            view == .teacher ? ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) : ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
        return square.pixels.enumerated().map { index, level in
            ((Float(level) / 255 - means[index % 3]) / deviations[index % 3]).bitPattern
        }
    }

    private func mirrored(_ image: RGBImage) -> RGBImage {
        var result = image
        for y in 0..<image.height {
            for x in 0..<image.width { result[x, y] = image[image.width - 1 - x, y] }
        }
        return result
    }

    static let shapes = [(90, 47), (47, 90), (61, 61), (200, 20), (20, 200), (33, 1), (1, 33), (2, 2), (1, 1), (3, 4)]

    @Test("the student's view is cut out, resized, and mirrored or not", arguments: shapes)
    func studentByDefinition(_ width: Int, _ height: Int) {
        let image = synthetic(width, height)
        for size in [24, 31] {
            let transform = ImageTransform(size: size, purpose: .training, view: .student, seed: 11)
            let random = Philox(seed: 11, domain: "student crop")
            for sample in 0..<12 {
                let box = RandomResizedCrop().box(width: width, height: height, random: random, step: 5, sample: sample)
                let part = image.cropped(x: box.x, y: box.y, width: box.width, height: box.height)
                var square = PillowDefinition.resized(part, width: size, height: size, filter: .bicubic)
                if random.uniform(step: 5, sample: sample, draw: 22) < 0.5 { square = mirrored(square) }
                expectSame(transform.square(of: image, step: 5, sample: sample), square, "sample \(sample), \(box)")
                expectSame(floats(transform, image, step: 5, sample: sample), scaled(square, .student), "sample \(sample), floats")
            }
        }
    }

    @Test("the teacher's view is a random square of the resized image", arguments: shapes)
    func teacherByDefinition(_ width: Int, _ height: Int) {
        let image = synthetic(width, height)
        let transform = ImageTransform(size: 24, purpose: .training, view: .teacher, seed: 11)
        let (wide, high) = ImageTransform.resizedSize(width: width, height: height, shorterSide: 24)
        let whole = PillowDefinition.resized(image, width: wide, height: high, filter: .bicubic)
        let random = Philox(seed: 11, domain: "teacher crop")
        for sample in 0..<12 {
            let square = whole.cropped(
                x: random.integer(below: wide - 24 + 1, step: 5, sample: sample, draw: 1),
                y: random.integer(below: high - 24 + 1, step: 5, sample: sample, draw: 0), width: 24, height: 24)
            expectSame(transform.square(of: image, step: 5, sample: sample), square, "sample \(sample)")
            expectSame(floats(transform, image, step: 5, sample: sample), scaled(square, .teacher), "sample \(sample), floats")
        }
    }

    @Test(arguments: View.allCases)
    func validationIsTheCentre(_ view: View) {
        let image = synthetic(61, 47)
        let transform = ImageTransform(size: 20, purpose: .validation, view: view, seed: 4)
        let square = PillowDefinition.resized(image, width: 25, height: 20, filter: .bilinear).cropped(x: 2, y: 0, width: 20, height: 20)
        for sample in 0..<4 { expectSame(floats(transform, image, step: sample, sample: sample), scaled(square, view), "\(view)") }
    }

    /// Every channel of every level by ImageNet's constants.
    @Test func everyLevelOfTheTeacher() {
        let levels = (0..<256).flatMap { [UInt8($0), UInt8(255 - $0), UInt8($0 ^ 0x55)] }
        let image = RGBImage(width: 16, height: 16, pixels: levels)
        for purpose in [ImageTransform.Purpose.training, .validation] {
            let transform = ImageTransform(size: 16, purpose: purpose, view: .teacher)
            expectSame(floats(transform, image, step: 1, sample: 2), scaled(image, .teacher), "\(purpose)")
        }
    }

    @Test("seed, step, sample and view choose, and nothing else does")
    func choices() {
        let image = synthetic(80, 50)
        for view in View.allCases {
            func square(seed: UInt64 = 1, step: Int = 2, sample: Int = 3) -> RGBImage {
                ImageTransform(size: 16, purpose: .training, view: view, seed: seed).square(of: image, step: step, sample: sample)
            }
            expectSame(square(), square(), "\(view)")
            let others = (1..<9).flatMap { [square(seed: UInt64(1 + $0)), square(step: 2 + $0), square(sample: 3 + $0)] }
            #expect(others.filter { $0 != square() }.count > 16, "\(view)")
        }
        // Reconstruction and teacher cut the same resized image, each for itself.
        let (first, second) = (View.reconstruction, View.teacher)
        let same = (0..<40).filter { sample in
            ImageTransform(size: 16, purpose: .training, view: first).square(of: image, step: 0, sample: sample)
                == ImageTransform(size: 16, purpose: .training, view: second).square(of: image, step: 0, sample: sample)
        }
        #expect(same.count < 20)
    }

    /// An image whose mirror image shows: how often it is mirrored is a number that never changes, within 4 deviations of half.
    @Test func halfAreMirrored() {
        let ramp = RGBImage(width: 32, height: 32, pixels: (0..<1024).flatMap { [UInt8($0 % 32 * 8), 0, 0] })
        let transform = ImageTransform(size: 8, purpose: .training, view: .student, seed: 21)
        let random = Philox(seed: 21, domain: "student crop")
        var (count, unexpected) = (0, 0)
        for sample in 0..<4000 {
            let square = transform.square(of: ramp, step: 0, sample: sample)
            let isMirrored = square[0, 4].red > square[7, 4].red
            if isMirrored != (random.uniform(step: 0, sample: sample, draw: 22) < 0.5) { unexpected += 1 }
            if isMirrored { count += 1 }
        }
        #expect(unexpected == 0 && abs(count - 2000) < 127, "\(count) of 4000, \(unexpected) of them unexpected")
    }

    @Test("all views from one decoding", arguments: [ImageTransform.Purpose.training, .validation])
    func oneDecoding(_ purpose: ImageTransform.Purpose) throws {
        let transforms = zip(View.allCases, [32, 28, 21]).map { ImageTransform(size: $1, purpose: purpose, view: $0, seed: 5) }
        let decoder = SampleDecoder(transforms)
        var files = try [SampleFiles.colour, SampleFiles.grey, SampleFiles.onePixel].map(base64)
        for (width, height) in [(300, 20), (7, 90), (1, 1), (180, 133), (32, 32)] {
            files.append(JPEG.encode(synthetic(width, height), quality: 90))
        }
        for round in 0..<2 {
            for (sample, bytes) in files.enumerated() {
                let buffers = transforms.map { transform in
                    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: transform.elementCount)
                    buffer.initialize(repeating: .nan)
                    return buffer
                }
                defer { buffers.forEach { $0.deallocate() } }
                try decoder(bytes, file: "x", step: 3, sample: sample, into: buffers)
                let image = try JPEG.decode(bytes, file: "x")
                for (transform, buffer) in zip(transforms, buffers) {
                    expectSame(
                        buffer.map(\.bitPattern), floats(transform, image, step: 3, sample: sample),
                        "\(transform.view), round \(round), image \(sample)")
                }
            }
        }
        let none = transforms.map { _ in UnsafeMutableBufferPointer<Float>(start: nil, count: 0) }
        #expect(throws: ImageError.self) { try decoder([1, 2, 3], file: "x", step: 0, sample: 0, into: none) }
    }
}

/// Fixture 14: the validation forms of both alignment views, from photographs that Pillow resized and cropped.
@Suite(.enabled(if: Fixtures.exist("14_"), Fixtures.skipped))
struct ViewFixtureTests {
    @Test func validationViewsEqualPillow() throws {
        var checked = 0
        for fixture in try FixtureCase.all("14_") {
            let arrays = try fixture.open()
            guard arrays.has("bilinear_resize224_center224") else { continue }
            let shape = try arrays.shape("decoded_rgb")
            guard shape[0] <= 2 * shape[1] else { continue }  // Pillow 13 resizes these the other way round
            let image = RGBImage(width: shape[1], height: shape[0], pixels: try arrays.integers("decoded_rgb").map { UInt8($0) })
            let want = try arrays.integers("bilinear_resize224_center224")
            let (means, deviations): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            for view in [ImageTransform.View.teacher, .student] {
                let transform = ImageTransform(size: 224, purpose: .validation, view: view)
                var floats = [Float](repeating: .nan, count: transform.elementCount)
                floats.withUnsafeMutableBufferPointer { transform(image, step: 0, sample: 0, into: $0) }
                let expected = want.enumerated().map { index, level in
                    view == .teacher
                        ? (Float(level) / 255 - means[index % 3]) / deviations[index % 3] : (Float(level) / 255 - 0.5) / 0.5
                }
                let isSame = floats == expected
                #expect(isSame, "\(fixture.testDescription) \(view)")
            }
            checked += 1
        }
        #expect(checked > 0, "no resized image in the fixture")
    }
}
