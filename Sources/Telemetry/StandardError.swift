#if canImport(Glibc)
import Glibc
#endif

/// Standard error, written without giving up when nobody reads it any more: a full disk behind a log or a closed pipe must not end a run.
public enum StandardError {
    /// Writes a text; what cannot be written is lost.
    public static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let base = rest.baseAddress, rest.count > 0 {
                #if canImport(Glibc)
                let written = Glibc.write(STDERR_FILENO, base, rest.count)
                #endif
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}
