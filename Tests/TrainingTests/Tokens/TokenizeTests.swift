import Evaluation
import Foundation
import Generators
import ImageData
import NeuralNet
import TensorCore
import Testing
import Training

extension ProcessTests {
    /// `mvq tokenize` on the checkpoint of a small run.
    @Suite struct TokenizeTests {
        /// Runs the command; numbers are of the kernels of this process, so that both compute the same bits.
        @discardableResult
        static func tokenize(
            to out: String, _ more: [String] = [], checkpoint: String? = nil, environment: [String: String] = [:]
        ) throws -> (exitCode: Int32, command: Command) {
            let workshop = try Workshop.here()
            let run = try workshop.smallReference()
            let command = try Command(
                "mvq", ["tokenize", "--checkpoint", checkpoint ?? run.path, "--data", run.data, "--out", out] + more, folder: workshop.folder,
                label: (workshop.path("tokenize") as NSString).lastPathComponent,
                environment: ["OPENBLAS_CORETYPE": NumericEnvironment.kernelFamily].merging(environment) { $1 })
            return (try command.exitCode(), command)
        }

        /// A new file by `mvq tokenize`, which must succeed without a word.
        private func tokens(_ more: [String]) throws -> TokenFile {
            let out = try Workshop.here().path("tokens.h5")
            let (exitCode, command) = try Self.tokenize(to: out, more)
            try #require(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            return try TokenFile(path: out)
        }

        /// The tokenizer run directly, an image at a time, the whole pass with decoder: codes and owners of every record.
        private func expectTokenizer(_ file: TokenFile, split: String, views: Int, kept: (Int) -> [Int]) throws {
            NumericEnvironment.useOneBLASThread()
            let run = try Workshop.here().smallReference()
            let checkpoint = try TokenizerCheckpoint(path: run.path, weights: .ema)
            let folder = try ImageFolder(root: run.data, split: split)
            let size = checkpoint.configuration.model.imageSize
            let (transform, pool) = (ImageTransform(size: size, purpose: .validation), ThreadPool(threads: 2))
            var id = 0
            for sighting in 0..<(folder.count * views) {
                let image = sighting / views
                let pixels = Tensor(uninitialised: [1, size, size, 3])
                pixels.withElements { transform(try! folder.image(of: image), step: 0, sample: image, into: $0) }
                let values = pixels.elements
                if sighting % views == 1 {
                    pixels.withElements { target in
                        for index in target.indices {
                            let (row, column, channel) = (index / 3 / size, index / 3 % size, index % 3)
                            target[index] = values[(row * size + size - 1 - column) * 3 + channel]
                        }
                    }
                }
                for kept in kept(sighting) {
                    let graph = Graph(weights: checkpoint.weights, pool: pool)
                    let pass = checkpoint.tokenizer(graph.constant(pixels), kept: kept)
                    let record = try file.record(id)
                    id += 1
                    #expect(record.image == image && record.view == sighting % views && record.kept == kept)
                    #expect(record.label == folder.label(of: image))
                    let expanded = pass.owners.map { UInt32(bitPattern: pass.codes.indices[Int($0)]) }
                    #expect(record.expandedCodes == expanded, "image \(image), K \(kept)")
                    // The same cells together.
                    let pairs = Set(zip(record.owners, pass.owners).map { [Int($0), Int($1)] })
                    #expect(pairs.count == kept, "image \(image), K \(kept)")
                }
            }
            #expect(id == file.count)
        }

        @Test func recordsAreWhatTheTokenizerSays() throws {
            let file = try tokens(["--split", "val", "--keep", "36,25", "--views", "2", "--threads", "2", "--batch", "3"])
            try expectTokenizer(file, split: "val", views: 2) { _ in [25, 36] }
            let run = try Workshop.here().smallReference()
            let checkpoint = try TokenizerCheckpoint(path: run.path, weights: .ema)
            let folder = try ImageFolder(root: run.data, split: "val")
            let header = file.header
            #expect(header.classNames == folder.classes && header.images == folder.count && header.views == 2 && header.keptCounts == [25, 36])
            #expect(try header.datasetFingerprint == folder.fingerprint() && header.split == "val" && !header.isKeptSampled)
            #expect(header.bits == 5 && header.cells == 64 && header.tokenizerStep == Run.steps && header.tokenizerWeights == "ema")
            #expect(header.tokenizerDigest == TrainingState.digest(of: checkpoint.weights) && header.numericClass == NumericEnvironment.numericClass)
            #expect(try header.tokenizer(of: file.path) == checkpoint.configuration.tokenizer)
        }

        /// K is drawn for every image and view, from the target on: with the preset's target 36 one of 36, 49, 64.
        @Test func sampledKeptTokensAreDrawnByPlaceAndSeed() throws {
            let file = try tokens(["--split", "val", "--keep", "sampled", "--seed", "5", "--views", "2"])
            let distribution = try TrainedTokenCounts(smallest: 36, largest: 64)
            #expect(file.header.keptCounts == [36, 49, 64] && file.header.isKeptSampled && file.count == 32)
            try expectTokenizer(file, split: "val", views: 2) { [distribution.count(seed: 5, step: 0, sample: $0)] }
            let other = try tokens(["--split", "val", "--keep", "sampled", "--seed", "6", "--views", "2"])
            let kept = try [file, other].map { file in try (0..<32).map { try file.record($0).kept } }
            #expect(kept[0] != kept[1])
        }

        @Test func threadsAndBatchesMoveNoBit() throws {
            let files = try [["--threads", "1", "--batch", "1000"], ["--threads", "3", "--batch", "7"]].map { try tokens($0) }
            #expect(files[0].count == 160 && files[0].header.keptCounts == [36], "the training images, the target K")
            #expect(try fileDigest(files[0].path) == fileDigest(files[1].path))
        }

        /// Killed at every point of its life, in one file; each start goes on where the last one was cut off.
        @Test func theSameCommandContinuesWhateverEndedIt() throws {
            let settings = ["--keep", "25,36", "--batch", "16"]
            let reference = try fileDigest(tokens(settings).path)
            let out = try Workshop.here().path("killed.h5")
            let partial = out + ".partial"
            func size() -> Int { (try? FileManager.default.attributesOfItem(atPath: partial)[.size] as? Int) ?? 0 }
            var before = 0
            for point in ["tokens.append@1", "tokens.append@3", "tokens.torn@2", "tokens.write@1"] {
                let (exitCode, _) = try Self.tokenize(to: out, settings, environment: ["MVQ_FAIL": "\(point)=kill"])
                #expect(exitCode == -SIGKILL && !FileManager.default.fileExists(atPath: out), "\(point)")
                #expect(size() >= before, "\(point): nothing is made again")
                before = size()
            }
            // Two batches by the second start, one and a half by the third, the rest by the fourth: cells of 12 + 4·36 + 2·64 + 4 bytes.
            #expect(before > 320 * 288)
            // A record that the disk has spoiled, and all behind it, is made again.
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: partial))
            try handle.seek(toOffset: UInt64(before - 100 * 288 + 20))
            try handle.write(contentsOf: Data([0xA5, 0x5A, 0xA5]))
            try handle.close()
            let (killed, _) = try Self.tokenize(to: out, settings, environment: ["MVQ_FAIL": "tokens.published@1=kill"])
            #expect(try killed == -SIGKILL && fileDigest(out) == reference && size() == before)
            let (exitCode, command) = try Self.tokenize(to: out, settings)
            #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            #expect(try fileDigest(out) == reference && size() == 0, "the partial file is gone")
        }

        @Test func refusesInOneLine() throws {
            let workshop = try Workshop.here()
            let out = workshop.path("refused.h5")
            func expect(_ code: Int32, _ text: String, _ more: [String], to out: String) throws {
                let (exitCode, command) = try Self.tokenize(to: out, more)
                #expect(exitCode == code && command.lines.count == 1, "\(command.standardError)")
                #expect(command.standardError.contains(text), "\(command.standardError)")
            }
            try expect(78, "65 kept tokens: an image of this model has 64 tokens", ["--keep", "65"], to: out)
            try expect(64, "--views is 3; it must be 1 or 2", ["--views", "3"], to: out)
            try expect(64, "there is no folder", [], to: workshop.path("nowhere") + "/tokens.h5")
            try expect(64, "'36,x'", ["--keep", "36,x"], to: out)
            #expect(!FileManager.default.fileExists(atPath: out) && !FileManager.default.fileExists(atPath: out + ".partial"))

            // Begun with other settings; the file is left as it was.
            let (killed, _) = try Self.tokenize(to: out, ["--batch", "16"], environment: ["MVQ_FAIL": "tokens.append@2=kill"])
            #expect(killed == -SIGKILL)
            let partial = try fileDigest(out + ".partial")
            try expect(78, "its kept_counts is [36], not [25]; repeat the command that began it, or remove it", ["--keep", "25"], to: out)
            #expect(try fileDigest(out + ".partial") == partial)
            try Self.tokenize(to: out)
            let finished = try fileDigest(out)
            try expect(78, "holds other tokens: its kept_counts is [36], not [25]; remove it", ["--keep", "25"], to: out)
            #expect(try fileDigest(out) == finished)
        }

        @Test func summaryAndInspectSayWhatTheFileHolds() throws {
            let workshop = try Workshop.here()
            let (out, picture) = (workshop.path("tokens.h5"), workshop.path("picture.png"))
            let (exitCode, command) = try Self.tokenize(
                to: out, ["--split", "val", "--keep", "25,36", "--json", "--picture", picture, "--rows", "3"])
            try #require(exitCode == 0, "\(command.standardError)")
            let json = try #require(try JSONSerialization.jsonObject(with: Data(command.standardOutput.utf8)) as? [String: Any])
            let file = try TokenFile(path: out)
            var usage = CodebookUsage(bits: 5)
            for id in 0..<file.count { usage.add(try file.record(id).codes.map { Int32($0) }) }
            #expect(json["kept"] as? [String: Int] == ["25": 16, "36": 16] && json["records"] as? Int == 32)
            #expect(json["codebook_usage"] as? Double == usage.usage && json["content_sha256"] as? String == file.fingerprint)
            let perplexity = try #require(json["codebook_perplexity"] as? Double)
            #expect(abs(perplexity - usage.perplexity) < 1e-9)

            let inspected = try workshop.command("mvq", ["inspect", out, "--json"])
            #expect(inspected.exitCode == 0 && inspected.command.standardOutput == command.standardOutput)
            let text = try workshop.command("mvq", ["inspect", out]).command.standardOutput
            #expect(text.contains("32 records of 16 images (val), 4 classes") && text.contains("16 of K 25, 16 of K 36"), "\(text)")

            try expectPicture(try ImageFile.read(picture), of: file)
        }

        /// Rows of the first, sixth and eleventh image: itself, then decoded and owner map by K, 16 pixels enlarged to 192, with a margin of 2.
        private func expectPicture(_ picture: RGBImage, of file: TokenFile) throws {
            let run = try Workshop.here().smallReference()
            let checkpoint = try TokenizerCheckpoint(path: run.path, weights: .ema)
            #expect(picture.width == 5 * 194 + 2 && picture.height == 3 * 194 + 2)
            let record = try file.record(2 * 5 + 1)
            let graph = Graph(weights: checkpoint.weights, pool: ThreadPool(threads: 1))
            let z = record.codes.flatMap { code in (0..<5).map { code >> UInt32($0) & 1 == 1 ? Float(1) : -1 } }
            let image = checkpoint.tokenizer.decode(graph.constant(Tensor(z, [1, 36, 5])), owners: record.owners.map(Int32.init)).value
            for (x, y) in [(0, 0), (7, 3), (15, 15)] {
                let shown = picture[2 + 3 * 194 + 12 * x + 6, 2 + 194 + 12 * y + 6]
                let level = ((image.elements[(y * 16 + x) * 3] + 1) * 127.5).rounded()
                #expect(shown.red == UInt8(max(0, min(255, level))), "pixel \(x), \(y)")
            }
        }

        /// Somebody flips bytes of the finished file.
        @Test func aDamagedFileIsRefusedByInspect() throws {
            let workshop = try Workshop.here()
            let file = try tokens(["--split", "val"])
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file.path))
            let middle = bytes.count / 2
            bytes[middle] ^= 0x10
            try bytes.write(to: URL(fileURLWithPath: file.path))
            let (exitCode, command) = try workshop.command("mvq", ["inspect", file.path])
            #expect(exitCode == 65 && command.lines.count == 1 && command.standardError.contains("is damaged: "), "\(command.standardError)")
        }
    }
}
