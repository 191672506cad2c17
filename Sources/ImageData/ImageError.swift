/// What can be wrong with one image file. Every description is one line: what, where, the mend.
public enum ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file cannot be read; `reason` is the system's.
    case unreadable(file: String, reason: String)
    /// The file has no bytes.
    case empty(file: String)
    /// The file is something else: `found` says what its first bytes look like.
    case wrongFormat(file: String, expected: String, found: String)
    /// The data end before the image does.
    case truncated(file: String)
    /// The decoder gave up; `reason` is its own.
    case corrupt(file: String, reason: String)
    /// A CMYK or YCCK image.
    case unsupportedColour(file: String, colour: String)
    /// More pixels than `ImageFile.largestPixelCount`.
    case tooLarge(file: String, width: Int, height: Int)
    /// The file cannot be written; `reason` is the system's.
    case unwritable(file: String, reason: String)

    public var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "cannot read image \(file): \(reason); check the path and its permissions"
        case .empty(let file):
            "image \(file) is empty (0 bytes); copy it again or delete it"
        case .wrongFormat(let file, let expected, let found):
            "image \(file) is not a \(expected) but \(found); convert it to \(expected) or delete it"
        case .truncated(let file):
            "image \(file) is truncated (the data end before the image does); copy it again or delete it"
        case .corrupt(let file, let reason):
            "image \(file) is corrupt (\(reason)); copy it again or delete it"
        case .unsupportedColour(let file, let colour):
            "image \(file) is \(colour), not RGB or greyscale; convert it to RGB, e.g. with: mogrify -colorspace sRGB '\(file)'"
        case .tooLarge(let file, let width, let height):
            "image \(file) has \(width)x\(height) pixels, more than \(ImageFile.largestPixelCount); scale it down"
        case .unwritable(let file, let reason):
            "cannot write \(file): \(reason); check the folder, its permissions and the free space"
        }
    }
}
