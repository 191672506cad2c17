import Foundation
import ImageData
import TensorCore

/// The JPEG files that `mvq bench data` measures: those of a folder, or drawn ones in a temporary folder.
struct BenchPictures {
    let paths: [String]
    private let temporaryFolder: String?

    /// - Parameters:
    ///   - folder: any folder; nil to draw pictures.
    ///   - limit: at most so many, spread evenly over the sorted paths.
    ///   - progress: called with pictures drawn and all pictures.
    /// - Throws: `DatasetError` for a folder without JPEGs.
    init(folder: String?, limit: Int, progress: (Int, Int) -> Void) throws {
        guard let folder else {
            let temporary = FileManager.default.temporaryDirectory.appendingPathComponent("mvq-bench-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
            temporaryFolder = temporary
            do {
                paths = try Self.draw(limit, into: temporary, progress)
            } catch {
                try? FileManager.default.removeItem(atPath: temporary)
                throw error
            }
            return
        }
        temporaryFolder = nil
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue,
            let names = FileManager.default.enumerator(atPath: folder)
        else { throw DatasetError.unreadable(path: folder, reason: "no such folder") }
        var found: [String] = []
        for case let name as String in names where name.lowercased().hasSuffix(".jpeg") || name.lowercased().hasSuffix(".jpg") {
            found.append("\(folder)/\(name)")
        }
        guard !found.isEmpty else { throw DatasetError.unreadable(path: folder, reason: "it holds no *.jpeg or *.jpg") }
        found.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let count = min(limit, found.count)
        paths = (0..<count).map { found[$0 * found.count / count] }
    }

    /// Removes what was drawn.
    func remove() {
        if let temporaryFolder { try? FileManager.default.removeItem(atPath: temporaryFolder) }
    }

    /// Pictures of 500×375 pixels with grain, about as large in bytes as ImageNet's of that size.
    private static func draw(_ count: Int, into folder: String, _ progress: (Int, Int) -> Void) throws -> [String] {
        let (width, height) = (500, 375)
        // Drawing takes longer than measuring, so a few pictures do for all files.
        let synthesizer = try DatasetSynthesizer(DatasetSynthesizer.Settings(classes: 10, perClass: 1, size: width, seed: 1))
        let grain = Philox(seed: 1, domain: "grain")
        let drawn = (0..<min(count, 10)).map { number in
            var pixels = Array(synthesizer.image(split: "train", label: number, number: 0).pixels[..<(width * height * 3)])
            for pixel in 0..<width * height {
                let noise = Int((grain.uniform(sample: number, draw: pixel) - 0.5) * 64)
                for channel in 0..<3 { pixels[pixel * 3 + channel] = UInt8(clamping: Int(pixels[pixel * 3 + channel]) + noise) }
            }
            progress(number + 1, min(count, 10))
            return JPEG.encode(RGBImage(width: width, height: height, pixels: pixels), quality: 90, chroma: .half)
        }
        return try (0..<count).map { number in
            let path = "\(folder)/\(number).jpg"
            try ImageFile.write(drawn[number % drawn.count], to: path)
            return path
        }
    }
}
