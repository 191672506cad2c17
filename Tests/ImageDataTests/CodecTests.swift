import Foundation
import ImageData
import Testing

@Suite struct JPEGTests {
    @Test(
        "decodes as Pillow does",
        arguments: [
            (SampleFiles.colour, "55b435c4ee1a2dad"), (SampleFiles.progressive, "55b435c4ee1a2dad"),
            (SampleFiles.grey, "485f99fddc67159d"), (SampleFiles.onePixel, "3868e6cf40f6348b"),
        ])
    func decodes(_ file: String, _ expected: String) throws {
        #expect(digest(try JPEG.decode(base64(file), file: "x.JPEG")) == expected)
    }

    @Test func readsHeadersFromAPrefix() throws {
        let grey = try base64(SampleFiles.grey)
        let header = try JPEG.header(of: Array(grey.dropLast(60)), file: "x")
        #expect(header.width == 17 && header.height == 13 && header.isGreyscale)
        #expect(try !JPEG.header(of: base64(SampleFiles.colour), file: "x").isGreyscale)
    }

    @Test func roundTripStaysClose() throws {
        let image = smooth(37, 29)
        for chroma in [JPEG.Chroma.full, .half] {
            let bytes = JPEG.encode(image, quality: 95, chroma: chroma)
            #expect(bytes == JPEG.encode(image, quality: 95, chroma: chroma))
            let back = try JPEG.decode(bytes, file: "x")
            let worst = zip(image.pixels, back.pixels).map { abs(Int($0) - Int($1)) }.max()
            #expect(try #require(worst) <= 12)
        }
        #expect(JPEG.encode(image, quality: 30).count < JPEG.encode(image, quality: 95).count)
    }

    @Test(arguments: [SampleFiles.cmyk, SampleFiles.ycck])
    func refusesCMYKWithTheMend(_ file: String) throws {
        let error = #expect(throws: ImageError.self) { try JPEG.decode(base64(file), file: "in/a.JPEG") }
        let text = try #require(error).description
        #expect(text.contains("in/a.JPEG") && text.contains("CMYK") && text.contains("mogrify -colorspace sRGB"))
    }

    @Test("every truncation is an error, whatever its length")
    func refusesTruncatedFiles() throws {
        for file in [SampleFiles.colour, SampleFiles.progressive, SampleFiles.grey] {
            let bytes = try base64(file)
            for length in 2..<bytes.count - 1 {
                #expect(throws: ImageError.truncated(file: "t"), "first \(length) bytes of \(bytes.count)") {
                    try JPEG.decode(Array(bytes.prefix(length)), file: "t")
                }
            }
        }
    }

    @Test("stray bytes are accepted, but do not hide a truncation")
    func acceptsStrayBytes() throws {
        let whole = try base64(SampleFiles.colour)
        let start = try #require(whole.indices.dropFirst(2).first { whole[$0] == 0xFF && whole[$0 + 1] == 0xDB })
        var stray = whole
        stray.insert(contentsOf: [1, 2, 3], at: start)
        let decoded = try JPEG.decodeWithWarning(stray, file: "s")
        #expect(digest(decoded.image) == "55b435c4ee1a2dad")
        #expect(decoded.warning?.contains("extraneous bytes") == true)
        #expect(throws: ImageError.truncated(file: "s")) { try JPEG.decode(Array(stray.dropLast(20)), file: "s") }
        #expect(digest(try JPEG.decode(whole + [0, 0, 7], file: "s")) == "55b435c4ee1a2dad", "bytes after the end")
    }

    @Test func refusesWhatIsNoJPEG() throws {
        #expect(throws: ImageError.empty(file: "f")) { try JPEG.decode([], file: "f") }
        #expect(throws: ImageError.wrongFormat(file: "f", expected: "JPEG", found: "a text file")) {
            try JPEG.decode(Array("<html>404 Not Found</html>\n".utf8), file: "f")
        }
        #expect(throws: ImageError.wrongFormat(file: "f", expected: "JPEG", found: "a PNG image")) {
            try JPEG.decode(base64(SampleFiles.rgbPNG), file: "f")
        }
        #expect(throws: ImageError.wrongFormat(file: "f", expected: "JPEG", found: "unknown data")) {
            try JPEG.decode([0, 1, 2, 200], file: "f")
        }
        #expect(throws: ImageError.self) { try JPEG.decode([0xFF, 0xD8, 0xFF, 0xD9], file: "f") }
    }

    @Test("a damaged file never crashes: it decodes or it throws one line")
    func survivesDamage() throws {
        let whole = try base64(SampleFiles.progressive)
        for position in whole.indices {
            for value in [UInt8(0x00), 0xFF, whole[position] ^ 0x10] {
                var damaged = whole
                damaged[position] = value
                do {
                    let image = try JPEG.decode(damaged, file: "d")
                    #expect(image.pixels.count == image.width * image.height * 3)
                } catch {
                    #expect(!error.description.contains("\n"))
                }
            }
        }
    }

    @Test func refusesABombBeforeTakingMemory() throws {
        var bytes = try base64(SampleFiles.colour)
        let frame = try #require(bytes.indices.first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        bytes.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0x00, 0xFF, 0x00])
        #expect(throws: ImageError.tooLarge(file: "b", width: 0xFF00, height: 0xFF00)) {
            try JPEG.decode(bytes, file: "b")
        }
    }
}

@Suite struct PNGTests {
    @Test(
        "decodes as Pillow does",
        arguments: [
            (SampleFiles.rgbPNG, "f23ee3548a59c5e6"), (SampleFiles.palettePNG, "f261f2bee99c70e8"),
            (SampleFiles.alphaPNG, "f23ee3548a59c5e6"), (SampleFiles.greyPNG, "dcf1de3214662e28"),
        ])
    func decodes(_ file: String, _ expected: String) throws {
        #expect(digest(try PNG.decode(base64(file), file: "x.png")) == expected)
    }

    @Test(arguments: [(1, 1), (7, 300), (300, 7), (128, 128)])
    func roundTripIsExact(_ width: Int, _ height: Int) throws {
        let image = synthetic(width, height)
        #expect(try PNG.decode(PNG.encode(image), file: "x") == image)
    }

    @Test func refusesDamage() throws {
        let bytes = PNG.encode(synthetic(20, 20))
        for length in 1..<bytes.count - 12 {
            #expect(throws: ImageError.self, "first \(length) bytes") {
                try PNG.decode(Array(bytes.prefix(length)), file: "p")
            }
        }
        #expect(throws: ImageError.wrongFormat(file: "p", expected: "PNG", found: "a JPEG image")) {
            try PNG.decode(base64(SampleFiles.colour), file: "p")
        }
    }
}

@Suite struct ImageFileTests {
    @Test func writesAtomicallyAndReadsBack() throws {
        try withTemporaryFolder { folder in
            let image = synthetic(9, 8)
            try ImageFile.write(image, to: "\(folder)/a.png")
            try ImageFile.write(synthetic(9, 9), to: "\(folder)/a.png")
            try ImageFile.write(image, to: "\(folder)/a.png")
            #expect(try ImageFile.read("\(folder)/a.png") == image)
            try ImageFile.write(image, to: "\(folder)/b.JPG")
            #expect(try ImageFile.read("\(folder)/b.JPG").width == 9)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a.png", "b.JPG"])
            #expect(try ImageFile.bytes(of: "\(folder)/a.png", limit: 4) == [0x89, 0x50, 0x4E, 0x47])
        }
    }

    @Test func namesTheFileThatFails() throws {
        try withTemporaryFolder { folder in
            #expect(throws: ImageError.unreadable(file: "\(folder)/no", reason: "No such file or directory")) {
                try ImageFile.read("\(folder)/no")
            }
            #expect(throws: ImageError.unreadable(file: folder, reason: "Is a directory")) {
                try ImageFile.read(folder)
            }
            #expect(throws: ImageError.unwritable(file: "\(folder)/no/a.png", reason: "No such file or directory")) {
                try ImageFile.write(synthetic(2, 2), to: "\(folder)/no/a.png")
            }
        }
    }
}

/// A picture that a JPEG can hold well.
private func smooth(_ width: Int, _ height: Int) -> RGBImage {
    var image = RGBImage(width: width, height: height, red: 0, green: 0, blue: 0)
    for y in 0..<height {
        for x in 0..<width { image[x, y] = (UInt8(x * 5), UInt8(y * 7), UInt8(100 + x + y)) }
    }
    return image
}
