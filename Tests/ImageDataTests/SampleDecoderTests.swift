import Foundation
import ImageData
import TensorCore
import Testing

/// One decoder for many images must do what a new one does for each.
@Suite struct SampleDecoderTests {
    private func floats(_ decoder: SampleDecoder, _ bytes: [UInt8], step: Int = 3, sample: Int = 8) throws -> [UInt32] {
        var floats = [Float](repeating: .nan, count: decoder.transform.elementCount)
        try floats.withUnsafeMutableBufferPointer { try decoder(bytes, file: "x", step: step, sample: sample, into: $0) }
        return floats.map(\.bitPattern)
    }

    /// Decoded by the codec, resized and cropped by the definition, scaled by the formula.
    private func expected(_ transform: ImageTransform, _ bytes: [UInt8], step: Int = 3, sample: Int = 8) throws -> [UInt32] {
        let image = try JPEG.decode(bytes, file: "x")
        let size = transform.size
        let (width, height) = ImageTransform.resizedSize(width: image.width, height: image.height, shorterSide: size)
        let isTraining = transform.purpose == .training
        let whole = PillowDefinition.resized(image, width: width, height: height, filter: isTraining ? .bicubic : .bilinear)
        func offset(_ extent: Int, draw: Int) -> Int {
            guard isTraining else { return ImageTransform.centreOffset(extent, crop: size) }
            return Philox(seed: 5, domain: "crop").integer(below: extent - size + 1, step: step, sample: sample, draw: draw)
        }
        let square = whole.cropped(x: offset(width, draw: 1), y: offset(height, draw: 0), width: size, height: size)
        return square.pixels.map { ((Float($0) / 255 - 0.5) / 0.5).bitPattern }
    }

    @Test("images of all kinds in turn, large after small and small after large", arguments: [ImageTransform.Purpose.training, .validation])
    func memoryIsUsedAgain(_ purpose: ImageTransform.Purpose) throws {
        var files = try [SampleFiles.colour, SampleFiles.grey, SampleFiles.progressive, SampleFiles.onePixel].map(base64)
        for (width, height) in [(300, 20), (7, 90), (1, 1), (180, 133), (33, 32), (32, 33), (5, 5), (32, 32)] {
            files.append(JPEG.encode(synthetic(width, height), quality: 90, chroma: width % 2 == 0 ? .half : .full))
        }
        let transform = ImageTransform(size: 32, purpose: purpose, seed: 5)
        let decoder = SampleDecoder(transform)
        for round in 0..<2 {
            for (sample, bytes) in files.enumerated() {
                #expect(try floats(decoder, bytes, sample: sample) == expected(transform, bytes, sample: sample), "round \(round), image \(sample)")
            }
        }
    }

    @Test func stepAndSampleChooseTheCrop() throws {
        let bytes = JPEG.encode(synthetic(200, 60), quality: 90)
        let transform = ImageTransform(size: 30, purpose: .training, seed: 5)
        let decoder = SampleDecoder(transform)
        let crops = try (0..<6).map { number in
            let crop = try floats(decoder, bytes, step: number / 2, sample: number % 2)
            #expect(try crop == expected(transform, bytes, step: number / 2, sample: number % 2))
            return crop
        }
        #expect(Set(crops).count > 3)
    }

    @Test("what a damaged file leaves undecoded does not come from the image before")
    func aDamagedFileGivesWhatItGivesAlone() throws {
        let whole = try base64(SampleFiles.progressive)
        let bright = JPEG.encode(RGBImage(width: 64, height: 64, red: 255, green: 255, blue: 255), quality: 90)
        let transform = ImageTransform(size: 16, purpose: .validation)
        let decoder = SampleDecoder(transform)
        var (decoded, refused) = (0, 0)
        for position in whole.indices {
            var damaged = whole
            damaged[position] ^= 0x10
            _ = try floats(decoder, bright)
            let alone: [UInt32]
            do {
                alone = try expected(transform, damaged)
            } catch let error as ImageError {
                #expect(throws: error) { try floats(decoder, damaged) }
                refused += 1
                continue
            }
            #expect(try floats(decoder, damaged) == alone, "byte \(position)")
            decoded += 1
        }
        #expect(decoded > 50 && refused > 50, "both happen")
    }

    @Test("tables of one image are not used for the next")
    func anImageWithoutTablesIsRefused() throws {
        let whole = try base64(SampleFiles.colour)
        // Quantisation tables: the segments that begin with FF DB.
        var bare: [UInt8] = Array(whole.prefix(2))
        var position = 2
        while whole[position + 1] != 0xDA {
            let length = 2 + Int(whole[position + 2]) << 8 + Int(whole[position + 3])
            if whole[position + 1] != 0xDB { bare += whole[position..<position + length] }
            position += length
        }
        bare += whole[position...]
        let decoder = SampleDecoder(ImageTransform(size: 16, purpose: .validation))
        #expect(throws: ImageError.self) { try floats(decoder, bare) }
        _ = try floats(decoder, whole)
        #expect(throws: ImageError.self) { try floats(decoder, bare) }
    }

    @Test func everyLevelIsScaledAsTorchvisionDoes() throws {
        // A grey JPEG of one level decodes to that level.
        let decoder = SampleDecoder(ImageTransform(size: 8, purpose: .validation))
        for level in 0..<256 {
            let grey = UInt8(level)
            let bytes = JPEG.encode(RGBImage(width: 8, height: 8, red: grey, green: grey, blue: grey), quality: 100, chroma: .full)
            try #require(try JPEG.decode(bytes, file: "x").pixels.allSatisfy { $0 == grey })
            let expected = ((Float(level) / 255 - 0.5) / 0.5).bitPattern
            #expect(try floats(decoder, bytes).allSatisfy { $0 == expected }, "level \(level)")
        }
    }
}
