/// What can go wrong with one HDF5 file; `description` is one line: what, which file and object, the mend.
package enum HDF5Error: Error, Equatable, CustomStringConvertible {
    /// The file is absent, unreadable, or not HDF5.
    case cannotOpen(file: String, reason: String)
    /// No object or attribute of this path.
    case missing(file: String, path: String)
    /// The file holds the object, but reading it failed: the bytes changed after they were written.
    case damaged(file: String, path: String, reason: String)
    /// The object has another kind, type or shape than asked for.
    case unsuitable(file: String, path: String, reason: String)
    /// Creating or writing failed: no space, no permission, bad name.
    case cannotWrite(file: String, path: String, reason: String)

    package var description: String {
        switch self {
        case .cannotOpen(let file, let reason):
            "\(file): cannot be read as HDF5: \(reason); give an intact .h5 file"
        case .missing(let file, let path):
            "\(file): has no \(path); list what it holds with: h5ls -r \(file)"
        case .damaged(let file, let path, let reason):
            "\(file): \(path) is damaged: \(reason); use another copy of the file"
        case .unsuitable(let file, let path, let reason):
            "\(file): \(path) \(reason)"
        case .cannotWrite(let file, let path, let reason):
            "\(file): cannot write \(path): \(reason); check free space and permissions of the folder"
        }
    }
}
