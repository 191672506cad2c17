import Foundation

extension FileSystem {
    /// Makes a file appear whole or not at all, whatever happens meanwhile: it is written under a temporary name beside its place, brought to the
    /// disk, read back, renamed. After an error the temporary file is gone and an older file is as it was.
    ///
    /// - Parameters:
    ///   - write: writes the file of the given name.
    ///   - verify: reads it back, from the disk, and throws if it is not what was meant.
    package static func publish(_ path: String, write: (_ temporary: String) throws -> Void, verify: (_ temporary: String) throws -> Void) throws {
        let temporary = temporaryName(of: path)
        do {
            unlink(temporary)
            try write(temporary)
            try synchroniseFile(temporary)
            try verify(temporary)
            try rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
        try synchroniseFolder(of: path)
    }
}
