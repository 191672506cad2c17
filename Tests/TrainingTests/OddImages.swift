import Foundation
import ImageData

/// Datasets that people have without wanting to: encoded JPEGs by what is odd about them.
enum OddImages: String, CaseIterable, Sendable {
    case black, white, oneColour, twoColours, smallerThanTheCrop, onePixel, tall, wide, greyscale, progressive

    /// Eight images, or one again and again where the files were written elsewhere.
    var files: [[UInt8]] {
        get throws {
            switch self {
            case .black: plain(40, 40) { _ in (0, 0, 0) }
            case .white: plain(40, 40) { _ in (255, 255, 255) }
            case .oneColour: plain(40, 40) { _ in (200, 30, 90) }
            case .twoColours: plain(40, 40) { $0 % 2 == 0 ? (200, 30, 90) : (10, 240, 20) }
            case .smallerThanTheCrop: plain(5, 3) { (UInt8($0 * 30), 128, UInt8(255 - $0 * 30)) }
            case .onePixel: plain(1, 1) { (UInt8($0 * 30), 128, UInt8(255 - $0 * 30)) }
            case .tall: plain(1, 500) { (UInt8($0 * 30), 128, 0) }
            case .wide: plain(500, 1) { (UInt8($0 * 30), 128, 0) }
            case .greyscale: [[UInt8]](repeating: try decoded(Self.grey), count: 8)
            case .progressive: [[UInt8]](repeating: try decoded(Self.progressiveJPEG), count: 8)
            }
        }
    }

    private func plain(_ width: Int, _ height: Int, _ colour: (Int) -> (UInt8, UInt8, UInt8)) -> [[UInt8]] {
        (0..<8).map { number in
            let (red, green, blue) = colour(number)
            let pixels = (0..<(width * height)).flatMap { _ in [red, green, blue] }
            return JPEG.encode(RGBImage(width: width, height: height, pixels: pixels), quality: 90)
        }
    }

    private func decoded(_ text: String) throws -> [UInt8] {
        guard let data = Data(base64Encoded: text) else { throw CocoaError(.fileReadCorruptFile) }
        return Array(data)
    }

    /// Writes JPEGs as a dataset of one class, training and validation images alike.
    static func write(_ files: [[UInt8]], to root: String) throws {
        for split in ["train", "val"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(split)/only", withIntermediateDirectories: true)
            for (number, bytes) in files.enumerated() { try ImageFile.write(bytes, to: "\(root)/\(split)/only/\(number).JPEG") }
        }
    }

    // Written by Pillow 13.0.0: 17×13, one component, and the same size in colour with progressive scans.
    private static let grey = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQ\
        YEpRUk//wAALCAANABEBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG\
        E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJ\
        ipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AE3ou4eW2Qfm\
        VuwHALHPTBI+YjjHHas+G29qv+fd/wB29/If/HKghiWrYjDvaof+XwE85IAHHzc5fj3A46Vc8pa//9k=
        """
    private static let progressiveJPEG = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQ\
        YEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wgARCAANABED\
        ASIAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAMEAQL/xAAWAQEBAQAAAAAAAAAAAAAAAAADAQL/2gAMAwEAAhADEAAAAcnY5S5KC5//xAAX\
        EAEBAQEAAAAAAAAAAAAAAAAAAREC/9oACAEBAAEFAk5b0kYx/8QAGBEAAwEBAAAAAAAAAAAAAAAAAAESAlH/2gAIAQMBAT8BWbKXD//EABkRAAID\
        AQAAAAAAAAAAAAAAAAABAxET8P/aAAgBAgEBPwFtRmfUf//EABoQAAEFAQAAAAAAAAAAAAAAABACMUJigfD/2gAIAQEABj8CYT7Qm4//xAAeEAAC\
        AQMFAAAAAAAAAAAAAAAAAREQIWFRccHh8P/aAAgBAQABPyGUpuynz3Sxgoua+b6kD//aAAwDAQACAAMAAAAQ5A//xAAbEQACAQUAAAAAAAAAAAAA\
        AAAAAdEhMWGh8P/aAAgBAwEBPxC1VOhGJuT/xAAaEQACAgMAAAAAAAAAAAAAAAAAETFhccHw/9oACAECAQE/ELV6keuZP//EABwQAQACAgMBAAAA\
        AAAAAAAAAAERIUFhABAx8f/aAAgBAQABPxCssHQChU+QpYqKxzTz5p0QHcFuUArKa7CvOr//2Q==
        """
}
