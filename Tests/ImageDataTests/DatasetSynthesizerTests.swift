import Foundation
import ImageData
import Testing

@Suite struct DatasetSynthesizerTests {
    private let settings = DatasetSynthesizer.Settings(
        classes: 15, perClass: 3, validationPerClass: 2, size: 32, seed: 7)

    @Test func writesADataSetThatOurReaderTakes() throws {
        try withTemporaryFolder { root in
            let folder = "\(root)/new/deep"
            let synthesizer = try DatasetSynthesizer(settings)
            var last = [0, 0]
            try synthesizer.write(to: folder) { last = [$0, $1] }
            #expect(last == [75, 75])
            let train = try ImageFolder(root: folder)
            let validation = try ImageFolder(root: folder, split: "val", classes: train.classes)
            #expect(train.count == 45 && validation.count == 30)
            #expect(train.classes == synthesizer.classNames)
            #expect(train.classes.first == "s0001_disc" && train.classes.last == "s0015_disc")
            for sample in [0, 20, 44] {
                let image = try train.image(of: sample)
                let drawn = synthesizer.image(split: "train", label: sample / 3, number: sample % 3)
                #expect(image.width == 32 && image.height == 32)
                #expect(meanDifference(image, drawn) < 12, "the file is the drawn picture but for compression")
            }
            let report = try DatasetReport(inspecting: folder)
            #expect(report.isSound && report.splits[0].colour == 45)
            let table = try String(contentsOfFile: "\(folder)/classes.tsv", encoding: .utf8)
            #expect(table.split(separator: "\n").map { $0.prefix { $0 != "\t" } } == train.classes.map { $0[...] })
        }
    }

    @Test func sameSeedSameBytes() throws {
        try withTemporaryFolder { root in
            func tree(_ name: String, _ settings: DatasetSynthesizer.Settings) throws -> [[UInt8]] {
                try DatasetSynthesizer(settings).write(to: "\(root)/\(name)")
                let folder = try ImageFolder(root: "\(root)/\(name)")
                return try (0..<folder.count).map(folder.bytes(of:))
            }
            let first = try tree("a", settings)
            #expect(try tree("b", settings) == first)
            #expect(try tree("a", settings) == first, "written over")
            var other = settings
            other.seed = 8
            let different = try tree("c", other)
            #expect(zip(first, different).allSatisfy { $0 != $1 })
            #expect(Set(first).count == first.count, "no two pictures are alike")
            // More images leave the earlier ones as they are.
            var larger = settings
            larger.perClass = 4
            let more = try tree("d", larger)
            for sample in 0..<45 {
                let place = sample / 3 * 4 + sample % 3
                #expect(first[sample] == more[place])
            }
        }
    }

    @Test(
        "the pictures of a seed are the same on every machine and in every version",
        arguments: [
            (0, "609037d66b366fe1"), (1, "0a07eef4fcb79ad5"), (5, "0f2bae1bd68c44dd"), (8, "8f81546ed390cc42"),
            (27, "8df5be55c701efa7"),
        ])
    func picturesNeverChange(_ label: Int, _ expected: String) throws {
        let synthesizer = try DatasetSynthesizer(.init(classes: 28, size: 64, seed: 1))
        #expect(digest(synthesizer.image(split: "train", label: label, number: 0)) == expected)
    }

    @Test func refusesForeignFolders() throws {
        try withTemporaryFolder { root in
            let synthesizer = try DatasetSynthesizer(settings)
            try put([1], "\(root)/full/.git")
            #expect(throws: DatasetError.occupied(path: "\(root)/full", reason: "holds other files")) {
                try synthesizer.write(to: "\(root)/full")
            }
            try synthesizer.write(to: "\(root)/own")
            var other = settings
            other.size = 48
            let error = #expect(throws: DatasetError.self) {
                try DatasetSynthesizer(other).write(to: "\(root)/own")
            }
            #expect(try #require(error).description.contains("other settings"))
            try put([1], "\(root)/file")
            #expect(throws: DatasetError.unwritable(path: "\(root)/file", reason: "it is a file, not a folder")) {
                try synthesizer.write(to: "\(root)/file")
            }
            #expect(throws: DatasetError.unwritable(path: "\(root)/file/x", reason: "Not a directory")) {
                try synthesizer.write(to: "\(root)/file/x")
            }
        }
    }

    @Test func refusesSettingsOutOfRange() {
        for wrong in [
            DatasetSynthesizer.Settings(classes: 0), .init(perClass: 0), .init(size: 8), .init(quality: 101),
            .init(validationPerClass: -1),
        ] {
            #expect(throws: DatasetError.self) { try DatasetSynthesizer(wrong) }
        }
    }

    @Test("classes can be told apart: the nearest class mean beats chance by far")
    func classesDiffer() throws {
        let synthesizer = try DatasetSynthesizer(.init(classes: 10, perClass: 30, size: 32, seed: 3))
        // Red, green and blue histograms of 8 levels: position plays no part, colour and pattern do.
        func features(_ split: String, _ label: Int, _ number: Int) -> [Double] {
            let image = synthesizer.image(split: split, label: label, number: number)
            var histogram = [Double](repeating: 0, count: 24)
            for (index, level) in image.pixels.enumerated() { histogram[index % 3 * 8 + Int(level) / 32] += 1.0 / 1024 }
            return histogram
        }
        let means = (0..<10).map { label in
            (0..<30).map { features("train", label, $0) }.reduce([Double](repeating: 0, count: 24)) { sum, feature in
                zip(sum, feature).map { $0 + $1 / 30 }
            }
        }
        var right = 0
        for label in 0..<10 {
            for number in 0..<20 {
                let feature = features("val", label, number)
                let distances = means.map { zip($0, feature).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
                if distances.indices.min(by: { distances[$0] < distances[$1] }) == label { right += 1 }
            }
        }
        #expect(right > 80, "of 200; chance is 20")
    }

    @Test func picturesHaveContrast() throws {
        let synthesizer = try DatasetSynthesizer(.init(classes: 28, perClass: 4, size: 32))
        for label in 0..<28 {
            for number in 0..<4 {
                let levels = synthesizer.image(split: "train", label: label, number: number).pixels.map(Double.init)
                let mean = levels.reduce(0, +) / Double(levels.count)
                let variance = levels.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(levels.count)
                #expect(variance.squareRoot() > 8, "class \(label), picture \(number)")
            }
        }
    }

    private func meanDifference(_ a: RGBImage, _ b: RGBImage) -> Double {
        Double(zip(a.pixels, b.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }) / Double(a.pixels.count)
    }
}
