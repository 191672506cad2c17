import Checksums
import Foundation
import ImageData

/// A picture with blocks of hard noise between smooth ramps. Expected digests come from the same formula in numpy and
/// Pillow 11.3.0.
func synthetic(_ width: Int, _ height: Int) -> RGBImage {
    var pixels: [UInt8] = []
    for y in 0..<height {
        for x in 0..<width {
            for channel in 0..<3 {
                let index = UInt64((y * width + x) * 3 + channel)
                let noise = (index &* 2_654_435_761) >> 13
                let ramp = UInt64(x * 3 + y * 5 + channel * 60)
                pixels.append(UInt8(truncatingIfNeeded: (x / 8 + y / 8) % 2 == 0 ? noise : ramp))
            }
        }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
}

/// The first 16 digits of the SHA-256 of an image's pixels.
func digest(_ image: RGBImage) -> String {
    image.pixels.withUnsafeBytes { String(SHA256.digest(of: $0).prefix(16)) }
}

/// CRC-32 of zlib, bit by bit.
func crc32(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = .max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return ~crc
}

/// Bytes written in base 64.
func base64(_ text: String) throws -> [UInt8] {
    struct Malformed: Error {}
    guard let data = Data(base64Encoded: text) else { throw Malformed() }
    return Array(data)
}

/// Runs `body` with a new empty folder, removed at the end.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("image-data-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

/// Writes bytes to a file, making its folders.
func put(_ bytes: [UInt8], _ path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try ImageFile.write(bytes, to: path)
}

/// Folder of real images, named by `MVQ_DATA`; tests that need it are skipped where it is absent.
let dataFolder: String = {
    if let named = ProcessInfo.processInfo.environment["MVQ_DATA"] { return named }
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return package.deletingLastPathComponent().appendingPathComponent("shared/data").path
}()

func isPresent(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(dataFolder)/\(path)") }
