import Foundation
import ImageData
import Testing
import Training

extension ProcessTests {
    /// `mvq reconstruct` on the checkpoints of a run.
    @Suite struct ReconstructionTests {
        private struct Outcome {
            let text: String
            let picture: RGBImage
            let psnr: Double
            let kept: Int
        }

        private func reconstruct(_ more: String...) throws -> Outcome {
            let workshop = try Workshop.here()
            let run = try workshop.reference()
            let out = workshop.path("picture.png")
            let (exitCode, command) = try workshop.command(
                "mvq", ["reconstruct", "--checkpoint", run.path, "--data", run.data, "--out", out] + more)
            try #require(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            let text = command.standardOutput
            func number(_ before: String) -> Double? {
                text.range(of: before).flatMap { Double(text[$0.upperBound...].prefix { $0.isNumber || $0 == "." }) }
            }
            return Outcome(
                text: text, picture: try ImageFile.read(out), psnr: try #require(number("PSNR "), "\(text)"),
                kept: Int(try #require(number(", K "))))
        }

        /// The mean over rows of the PSNR between the tiles of the first and second column, for pictures of 64 pixels with a margin of 2.
        private func psnr(_ picture: RGBImage, scale: Int) -> Double {
            let tile = 64 * scale
            let rows = (picture.height - 2) / (tile + 2)
            let ratios = (0..<rows).map { row in
                var squares = 0.0
                for y in 0..<tile {
                    for x in 0..<(tile * 3) {
                        let line = ((2 + row * (tile + 2) + y) * picture.width + 2) * 3
                        let difference = Double(picture.pixels[line + x]) - Double(picture.pixels[line + (tile + 2) * 3 + x])
                        squares += difference * difference
                    }
                }
                return 10 * log10(255 * 255 / (squares / Double(tile * tile * 3)))
            }
            return ratios.reduce(0, +) / Double(rows)
        }

        /// The pixels of a column of tiles.
        private func column(_ number: Int, of picture: RGBImage, scale: Int) -> [UInt8] {
            let tile = 64 * scale
            return (0..<picture.height).flatMap { y in
                let start = (y * picture.width + 2 + number * (tile + 2)) * 3
                return picture.pixels[start..<(start + tile * 3)]
            }
        }

        @Test func thePictureShowsWhatThePSNRSays() throws {
            let outcome = try reconstruct("--rows", "5", "--limit", "5")
            #expect(
                outcome.text.hasPrefix("step 20, 5 images, K 36: PSNR ")
                    && outcome.text.contains("picture (original | reconstruction | with predicted source | merge map): "))
            let scale = try #require(
                [1, 2, 3, 4].first { outcome.picture.width == 4 * (64 * $0 + 2) + 2 }, "\(outcome.picture.width) pixels wide")
            #expect(outcome.picture.height == 5 * (64 * scale + 2) + 2)
            // The picture is rounded to 256 levels, what is measured cut off to them.
            let shown = psnr(outcome.picture, scale: scale)
            #expect(abs(shown - outcome.psnr) < 0.05, "the picture has \(shown) dB, the text says \(outcome.psnr)")
            // The originals are the images of the dataset in order, spread over the folder.
            let folder = try ImageFolder(root: Workshop.here().dataset(), split: "val")
            for row in 0..<5 {
                let original = try folder.image(of: row * folder.count / 5)
                let start = (2 + row * (64 * scale + 2)) * outcome.picture.width + 2
                let shown = (0..<64).flatMap { x in (0..<3).map { outcome.picture.pixels[(start + x * scale) * 3 + $0] } }
                #expect(shown == Array(original.pixels[..<192]), "first line of row \(row)")
            }
        }

        @Test func theSummaryIsThatOfTheExamples() throws {
            let run = try Workshop.here().reference()
            let folder = try ImageFolder(root: run.data, split: "val")
            let samples = Array(0..<7)
            let report = try TokenizerEvaluation(TokenizerCheckpoint(path: run.path, weights: .ema), keptTokens: [36, 25], threads: 2)
                .run(folder, samples: samples, examples: 7)
            try #require(report.examples.count == 7 && report.records.map(\.keptTokens) == [36, 25])
            for (example, sample) in zip(report.examples, samples) {
                #expect(try example.original == folder.image(of: sample), "64 pixels need no resizing")
                for result in example.results {
                    var squares = 0.0
                    for (x, y) in zip(example.original.pixels, result.reconstruction.pixels) {
                        squares += (Double(x) - Double(y)) * (Double(x) - Double(y))
                    }
                    let decibels = 10 * log10(255 * 255 / (squares / Double(64 * 64 * 3)))
                    #expect(abs(decibels - result.psnr) < 0.05, "\(decibels) from the pictures, \(result.psnr) reported")
                }
            }
            for (position, record) in report.records.enumerated() {
                let mean = report.examples.map { $0.results[position].psnr }.reduce(0, +) / 7
                #expect(abs((record.reconstruction.psnr ?? 0) - mean) < 1e-9)
                #expect(record.images == 7 && record.step == 20 && (0...1).contains(record.codebookUsage) && record.lpipsNetwork == nil)
            }
        }

        @Test func averagedAndRawWeightsDiffer() throws {
            let averaged = try reconstruct("--limit", "3", "--rows", "3")
            let raw = try reconstruct("--limit", "3", "--rows", "3", "--weights", "raw")
            #expect(averaged.picture != raw.picture && averaged.psnr != raw.psnr)
            #expect(
                try reconstruct("--limit", "3", "--rows", "3", "--weights", "ema", "--threads", "1").picture == averaged.picture,
                "threads move no bit")
        }

        @Test func theNumberOfKeptTokensCanBeChosen() throws {
            let outcomes = try ["8", "36", "64"].map { try reconstruct("--limit", "2", "--rows", "2", "--kept-tokens", $0) }
            #expect(outcomes.map(\.kept) == [8, 36, 64])
            let scale = (outcomes[0].picture.width - 10) / 256
            #expect(Set(outcomes.map { column(1, of: $0.picture, scale: scale) }).count == 3, "other reconstructions")
            #expect(Set(outcomes.map { column(3, of: $0.picture, scale: scale) }).count == 3, "other merge maps")
            #expect(Set(outcomes.map { column(0, of: $0.picture, scale: scale) }).count == 1, "the same originals")
        }

        @Test func theSummaryAsJSON() throws {
            let workshop = try Workshop.here()
            let run = try workshop.reference()
            let (exitCode, command) = try workshop.command(
                "mvq", ["reconstruct", "--checkpoint", run.store.path(of: 15), "--data", run.data, "--rows", "0", "--json", "--kept-tokens", "all"])
            #expect(exitCode == 0)
            let records = try #require(try JSONSerialization.jsonObject(with: Data(command.standardOutput.utf8)) as? [[String: Any]])
            #expect(records.map { $0["kept_tokens"] as? Int } == [25, 36, 49, 64])
            for json in records {
                #expect(json["step"] as? Int == 15 && json["images"] as? Int == 16)
                let quality = try #require(json["reconstruction"] as? [String: Any])
                #expect((quality["psnr"] as? Double).map { (5...40).contains($0) } == true)
                #expect((json["owner_accuracy"] as? Double).map { (0...1).contains($0) } == true)
            }
        }
    }
}
