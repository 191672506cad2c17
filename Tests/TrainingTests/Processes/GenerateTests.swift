import Foundation
import ImageData
import Testing
import Training

extension ProcessTests {
    /// `mvq generate` from checkpoint files.
    @Suite struct GenerateTests {
        @Test func picturesFilesAndNumbers() throws {
            try withTemporaryFolder { folder in
                let small = try SmallGenerator(folder: folder)
                let checkpoint = try small.generatorFile(.randar, names: ["ant", "bee", "cat", "dog"])
                let common = ["generate", "--checkpoint", checkpoint, "--tokenizer", small.tokenizerPath, "--seed", "3", "--cfg", "2"]
                let (exitCode, command) = try Workshop.here().command(
                    "mvq",
                    common + ["--class", "dog,1", "--count", "2", "--out", "\(folder)/grid.png", "--out-dir", "\(folder)/images", "--json", "--threads", "1"])
                try #require(exitCode == 0, "\(command.standardError)")
                let summary = try #require(try JSONSerialization.jsonObject(with: Data(command.standardOutput.utf8)) as? [String: Any])
                #expect(summary["classes"] as? [Int] == [3, 1] && summary["images"] as? Int == 4 && summary["codes_per_image"] as? Int == 16)
                #expect(summary["kind"] as? String == "randar" && summary["empty_slot_rate"] is Double)

                // A row a class, tiles of 16 pixels with a margin of 2.
                let grid = try ImageFile.read("\(folder)/grid.png")
                #expect(grid.width == 38 && grid.height == 38)
                for (place, name) in ["0003-000000", "0003-000001", "0001-000000", "0001-000001"].enumerated() {
                    let tile = grid.cropped(x: 2 + place % 2 * 18, y: 2 + place / 2 * 18, width: 16, height: 16)
                    #expect(tile == (try ImageFile.read("\(folder)/images/\(name).png")), "\(name)")
                }

                // The same image alone, with other threads.
                let (again, other) = try Workshop.here().command(
                    "mvq", common + ["--class", "1", "--count", "2", "--batch", "1", "--threads", "2", "--out", "\(folder)/two.png"])
                try #require(again == 0, "\(other.standardError)")
                let isSame = try ImageFile.read("\(folder)/two.png").pixels == grid.cropped(x: 0, y: 18, width: 38, height: 20).pixels
                #expect(isSame)
                #expect(other.standardOutput.contains("2 images of 1 class by \(checkpoint) (randar, step 0, ema weights)"))
            }
        }

        @Test func refusals() throws {
            try withTemporaryFolder { folder in
                let small = try SmallGenerator(folder: folder)
                let checkpoint = try small.generatorFile(.llamagen)
                let common = ["generate", "--checkpoint", checkpoint, "--tokenizer", small.tokenizerPath, "--out", "\(folder)/grid.png"]
                try expectRefusal("mvq", common + ["--class", "4"], exitCode: 64, "class 4", "0 to 3")
                try expectRefusal("mvq", common + ["--class", "cat"], exitCode: 64, "does not name its classes")
                try expectRefusal("mvq", common + ["--class", "1", "--merge", "16"], exitCode: 64, "--merge", "mergear")
                let stranger = try small.generatorFile(.llamagen, change: { $0.generator.tokenizer = "abc" })
                try expectRefusal(
                    "mvq", ["generate", "--checkpoint", stranger, "--tokenizer", small.tokenizerPath, "--class", "1", "--out", "\(folder)/grid.png"],
                    exitCode: 78, "tokenizer with digest abc")
                try expectRefusal(
                    "mvq", ["generate", "--checkpoint", small.tokenizerPath, "--tokenizer", small.tokenizerPath, "--class", "1"], exitCode: 66,
                    "is of a tokenizer")
                #expect(!FileManager.default.fileExists(atPath: "\(folder)/grid.png"))
            }
        }
    }
}
