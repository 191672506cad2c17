/// What can be wrong with a data set folder. Every description is one line: what, where, the mend.
public enum DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no such folder, or it has no sub-folder of this name.
    case missingFolder(path: String, layoutRoot: String)
    /// The folder has no class folder with an image.
    case noImages(path: String)
    /// A folder cannot be listed, or an image cannot be examined.
    case unreadable(path: String, reason: String)
    /// A class folder that the list of classes does not have.
    case unknownClass(path: String, known: Int)
    /// A folder to be filled already holds something else.
    case occupied(path: String, reason: String)
    /// A file or folder cannot be made.
    case unwritable(path: String, reason: String)
    /// A setting that makes no data set.
    case invalidSetting(name: String, value: String, allowed: String)

    public var description: String {
        switch self {
        case .missingFolder(let path, let root):
            "no folder \(path): expected ImageNet's layout, \(root)/train/<class>/*.JPEG and \(root)/val/<class>/*.JPEG"
        case .noImages(let path):
            "no images in \(path): expected one folder per class with files *.JPEG, *.jpeg or *.jpg in it"
        case .unreadable(let path, let reason):
            "cannot read \(path): \(reason); check the path and its permissions"
        case .unknownClass(let path, let known):
            "class folder \(path) is not one of the \(known) training classes; move it away or add it to train"
        case .occupied(let path, let reason):
            "folder \(path) is not empty and \(reason); choose an empty folder or delete this one"
        case .unwritable(let path, let reason):
            "cannot write \(path): \(reason); check the folder, its permissions and the free space"
        case .invalidSetting(let name, let value, let allowed):
            "\(name) is \(value); it must be \(allowed)"
        }
    }
}
