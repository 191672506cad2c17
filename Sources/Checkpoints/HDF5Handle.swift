internal import CHDF5
import Foundation

/// Owns one HDF5 identifier of any kind and releases it once.
struct HDF5Handle: ~Copyable {
    let id: hid_t

    /// Takes ownership; nil when the call that made the identifier failed.
    init?(_ id: hid_t) {
        guard id >= 0 else { return nil }
        self.id = id
    }

    /// Releases the identifier now; false when HDF5 reports a failure (for a file being written: data was lost).
    consuming func close() -> Bool {
        let id = self.id
        discard self
        return H5Idec_ref(id) >= 0
    }

    deinit { H5Idec_ref(id) }
}

/// The library's error reports, which are kept per thread.
enum HDF5Library {
    /// Stops HDF5 from printing its error stack; failures become typed errors. Needed once on each thread that calls HDF5.
    static func silence() {
        _ = keepsQuietAtExit
        H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
    }

    /// Before the library's first use: it need not close anything at the end of the process. Files are closed by whoever opened them, and one that
    /// could not be (the disk was full) would hold the end up with "infinite loop closing library".
    private static let keepsQuietAtExit: Bool = H5dont_atexit() >= 0

    /// The most specific message of the last failed call of this thread, on one line.
    static func lastFailure() -> String {
        var message = ""
        withUnsafeMutablePointer(to: &message) { pointer in
            _ = H5Ewalk2(
                hid_t(H5E_DEFAULT), H5E_WALK_UPWARD,
                { depth, record, context in
                    guard depth == 0, let text = record?.pointee.desc, let context else { return 0 }
                    context.assumingMemoryBound(to: String.self).pointee = String(cString: text)
                    return 0
                }, pointer)
        }
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.isEmpty ? "HDF5 gave no reason" : line
    }

    /// False for a build of HDF5 that must not be called from two threads.
    static var isThreadSafe: Bool {
        var safe = false
        return H5is_library_threadsafe(&safe) >= 0 && safe
    }
}
