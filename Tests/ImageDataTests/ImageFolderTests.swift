import Checksums
import Foundation
import ImageData
import Testing

@Suite struct ImageFolderTests {
    /// Two training classes and one validation class, with things that are no images among them.
    private func makeTree(_ root: String) throws {
        let image = try base64(SampleFiles.onePixel)
        for path in [
            "train/n2/b.jpg", "train/n2/B.JPEG", "train/n2/a.jpeg", "train/n1/z.JpG", "train/n2/.hidden.jpg",
            "train/n2/notes.txt", "train/readme.jpg", "val/n2/v.JPEG",
        ] { try put(image, "\(root)/\(path)") }
        try put([1, 2, 3], "\(root)/train/n1/short.JPEG")
    }

    @Test func listsInByteOrder() throws {
        try withTemporaryFolder { root in
            try makeTree(root)
            let folder = try ImageFolder(root: root)
            #expect(folder.classes == ["n1", "n2"])
            #expect(
                (0..<folder.count).map(folder.relativePath(of:)) == [
                    "train/n1/short.JPEG", "train/n1/z.JpG", "train/n2/B.JPEG", "train/n2/a.jpeg", "train/n2/b.jpg",
                ])
            #expect((0..<folder.count).map(folder.label(of:)) == [0, 0, 1, 1, 1])
            #expect(folder.samples(of: 0) == 0..<2 && folder.samples(of: 1) == 2..<5)
            #expect(folder.path(of: 4) == "\(root)/train/n2/b.jpg")
            #expect(try folder.bytes(of: 0) == [1, 2, 3])
            #expect(try folder.image(of: 4).width == 1)
            #expect(throws: ImageError.self) { try folder.image(of: 0) }
        }
    }

    @Test("labels of validation follow training even when a class is missing")
    func validationSharesClasses() throws {
        try withTemporaryFolder { root in
            try makeTree(root)
            let training = try ImageFolder(root: root)
            let validation = try ImageFolder(root: root, split: "val", classes: training.classes)
            #expect(validation.count == 1 && validation.label(of: 0) == 1 && validation.samples(of: 0).isEmpty)
            try put(base64(SampleFiles.onePixel), "\(root)/val/n9/v.JPEG")
            #expect(throws: DatasetError.unknownClass(path: "\(root)/val/n9", known: 2)) {
                try ImageFolder(root: root, split: "val", classes: training.classes)
            }
        }
    }

    @Test func labelsAgreeWithPathsAroundEmptyClasses() throws {
        try withTemporaryFolder { root in
            let image = try base64(SampleFiles.onePixel)
            for (label, count) in [3, 0, 1, 0, 0, 4, 2, 0].enumerated() {
                try FileManager.default.createDirectory(
                    atPath: "\(root)/train/c\(label)", withIntermediateDirectories: true)
                for number in 0..<count { try put(image, "\(root)/train/c\(label)/\(number).jpg") }
            }
            let folder = try ImageFolder(root: root)
            #expect(folder.count == 10 && folder.classes.count == 8)
            for sample in 0..<10 {
                let name = folder.classes[folder.label(of: sample)]
                #expect(folder.relativePath(of: sample).hasPrefix("train/\(name)/"))
                #expect(folder.samples(of: folder.label(of: sample)).contains(sample))
                #expect(FileManager.default.fileExists(atPath: folder.path(of: sample)))
            }
        }
    }

    @Test func fingerprintCoversPathsAndSizes() throws {
        try withTemporaryFolder { root in
            try makeTree(root)
            let folder = try ImageFolder(root: root)
            let size = try base64(SampleFiles.onePixel).count
            let expected = SHA256.digest(
                of: "train/n1/short.JPEG\0" + "3\n" + "train/n1/z.JpG\0\(size)\n" + "train/n2/B.JPEG\0\(size)\n"
                    + "train/n2/a.jpeg\0\(size)\n" + "train/n2/b.jpg\0\(size)\n")
            #expect(try folder.fingerprint() == expected)
            try put([1, 2, 3, 4], "\(root)/train/n1/short.JPEG")
            #expect(try folder.fingerprint() != expected)
            try FileManager.default.removeItem(atPath: "\(root)/train/n1/short.JPEG")
            #expect(
                throws: DatasetError.unreadable(
                    path: "\(root)/train/n1/short.JPEG", reason: "No such file or directory")
            ) { try folder.fingerprint() }
        }
    }

    @Test func errorsSayWhatIsExpected() throws {
        try withTemporaryFolder { root in
            let missing = #expect(throws: DatasetError.self) { try ImageFolder(root: root) }
            let text = try #require(missing).description
            #expect(text.contains("\(root)/train/<class>/*.JPEG") && !text.contains("\n"))
            try put([1], "\(root)/train/loose.JPEG")
            #expect(throws: DatasetError.noImages(path: "\(root)/train")) { try ImageFolder(root: root) }
        }
    }
}

@Suite struct DatasetReportTests {
    @Test func countsAndFindsTheBadFiles() throws {
        try withTemporaryFolder { root in
            let colour = try base64(SampleFiles.colour)
            let grey = try base64(SampleFiles.grey)
            let pixel = try base64(SampleFiles.onePixel)
            let files: [(String, [UInt8])] = [
                ("train/a/0.JPEG", colour), ("train/a/1.JPEG", grey), ("train/a/2.JPEG", Array(colour.dropLast(30))),
                ("train/a/3.JPEG", []), ("train/b/0.JPEG", pixel), ("train/b/1.JPEG", try base64(SampleFiles.cmyk)),
                ("val/a/0.JPEG", pixel), ("val/z/0.JPEG", pixel),
            ]
            for (path, bytes) in files { try put(bytes, "\(root)/\(path)") }
            try FileManager.default.createDirectory(atPath: "\(root)/val/b", withIntermediateDirectories: true)

            var calls: [[Int]] = []
            let report = try DatasetReport(inspecting: root) { calls.append([$0, $1]) }
            #expect(calls.first == [0, 8] && calls.last == [8, 8])
            #expect(report.splits.map(\.name) == ["train", "val"])
            let train = report.splits[0]
            #expect(train.classes == 2 && train.images == 6)
            #expect(spread(train.imagesPerClass) == [2, 2, 4])
            #expect(spread(train.width) == [1, 17, 17] && spread(train.height) == [1, 13, 13])
            #expect(train.bytes == files.prefix(6).reduce(0) { $0 + $1.1.count })
            #expect(train.colour == 2 && train.greyscale == 1)
            #expect(train.unreadable.map(\.file) == ["train/a/2.JPEG", "train/a/3.JPEG", "train/b/1.JPEG"])
            #expect(train.unreadable[0].message == ImageError.truncated(file: "\(root)/train/a/2.JPEG").description)
            #expect(train.fingerprint == (try ImageFolder(root: root).fingerprint()))
            let validation = report.splits[1]
            #expect(validation.unknownClasses == ["z"] && validation.emptyClasses == ["b"])
            #expect(!report.isSound)

            let text = report.text
            #expect(text.contains("train: 6 images in 2 classes") && text.contains("NOT sound"))
            #expect(text.contains("truncated") && text.contains("mogrify"))
            #expect(try JSONDecoder().decode(DatasetReport.self, from: Data(report.json().utf8)) == report)

            // Headers alone do not show that data are missing at the end.
            let quick = try DatasetReport(inspecting: root, decode: false)
            #expect(quick.splits[0].unreadable.map(\.file) == ["train/a/3.JPEG", "train/b/1.JPEG"])
            #expect(quick.splits[0].colour == 3)
        }
    }

    @Test func readsHeadersBehindLongMetadata() throws {
        try withTemporaryFolder { root in
            var bytes = try base64(SampleFiles.grey)
            // Two comment segments of 60 000 bytes push the frame header beyond the first 64 KiB.
            let comment: [UInt8] = [0xFF, 0xFE, 0xEA, 0x62] + [UInt8](repeating: 7, count: 60_000)
            bytes.insert(contentsOf: comment + comment, at: 2)
            try put(bytes, "\(root)/val/a/0.jpg")
            let report = try DatasetReport(inspecting: root, decode: false)
            #expect(report.splits.map(\.name) == ["val"] && report.splits[0].greyscale == 1 && report.isSound)
        }
    }

    @Test func missingFolderIsAnError() throws {
        try withTemporaryFolder { root in
            #expect(throws: DatasetError.missingFolder(path: "\(root)/train", layoutRoot: root)) {
                try DatasetReport(inspecting: root)
            }
        }
    }

    private func spread(_ spread: DatasetReport.Spread?) -> [Int]? {
        spread.map { [$0.minimum, $0.median, $0.maximum] }
    }
}
