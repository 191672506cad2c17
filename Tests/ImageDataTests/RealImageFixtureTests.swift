import Foundation
import ImageData
import Testing

/// Needs the folder `imagenet-sample` or `tiny-imagenet` under `MVQ_DATA` (default ../shared/data); skipped where absent.
/// Checksums (CRC-32 of zlib) are those of Pillow 13.0.0 decoding, resizing and cropping the named files.
@Suite struct RealImageFixtureTests {
    struct Expected: Sendable {
        let file: String
        let decoded: UInt32
        let bilinear256: UInt32
        let bilinear224: UInt32
        let bicubic256: UInt32
        let bicubic224: UInt32
    }

    static let expected = [
        Expected(
            file: "n04372370/n04372370_switch.JPEG", decoded: 2_298_069_342, bilinear256: 3_803_646_300,
            bilinear224: 494_362_907, bicubic256: 4_157_888_790, bicubic224: 2_693_189_461),
        Expected(
            file: "n03825788/n03825788_nipple.JPEG", decoded: 1_284_521_967, bilinear256: 3_349_322_543,
            bilinear224: 313_384_305, bicubic256: 2_930_308_400, bicubic224: 3_921_570_326),
        Expected(
            file: "n03776460/n03776460_mobile_home.JPEG", decoded: 4_037_055_309, bilinear256: 4_196_675_835,
            bilinear224: 1_054_299_712, bicubic256: 2_599_709_016, bicubic224: 751_568_123),
        Expected(
            file: "n02669723/n02669723_academic_gown.JPEG", decoded: 4_146_431_730, bilinear256: 298_738_619,
            bilinear224: 3_525_036_256, bicubic256: 3_078_229_135, bicubic224: 4_216_874_476),
    ]

    @Test(
        "decoding, resizing and cropping equal Pillow", .enabled(if: isPresent("imagenet-sample"), "no imagenet-sample"),
        arguments: expected)
    func equalsPillow(_ expected: Expected) throws {
        let image = try ImageFile.read("\(dataFolder)/imagenet-sample/train/\(expected.file)")
        #expect(crc32(image.pixels) == expected.decoded)
        for (size, bilinear, bicubic) in [
            (256, expected.bilinear256, expected.bicubic256), (224, expected.bilinear224, expected.bicubic224),
        ] {
            let square = ImageTransform(size: size, purpose: .validation).square(of: image, step: 0, sample: 0)
            #expect(crc32(square.pixels) == bilinear)
            let (width, height) = ImageTransform.resizedSize(
                width: image.width, height: image.height, shorterSide: size)
            let cubic = image.resized(width: width, height: height, filter: .bicubic).cropped(
                x: ImageTransform.centreOffset(width, crop: size), y: ImageTransform.centreOffset(height, crop: size),
                width: size, height: size)
            #expect(crc32(cubic.pixels) == bicubic)
        }
    }

    @Test(.enabled(if: isPresent("tiny-imagenet"), "no tiny-imagenet"))
    func inspectsTinyImageNet() throws {
        let report = try DatasetReport(inspecting: "\(dataFolder)/tiny-imagenet")
        #expect(report.isSound, "\(report.text)")
        #expect(report.splits.map(\.images) == [8000, 1000] && report.splits.map(\.classes) == [20, 20])
        #expect(report.splits[0].width?.minimum == 64 && report.splits[0].height?.maximum == 64)
        #expect(report.splits[0].warnings.isEmpty)
    }

    @Test(.enabled(if: isPresent("imagenet-sample"), "no imagenet-sample"))
    func inspectsImageNetSample() throws {
        let report = try DatasetReport(inspecting: "\(dataFolder)/imagenet-sample")
        #expect(report.isSound, "\(report.text)")
        #expect(report.splits.map(\.images) == [250])
    }
}
