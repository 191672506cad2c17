internal import CCrypto
internal import CHDF5
internal import CPNG
internal import CZeroMQ
import Foundation

/// The shared libraries that this process has loaded, besides OpenBLAS: names and versions as they give them.
enum LinkedLibraries {
    struct Library: Encodable {
        let name: String
        let version: String
    }

    static var all: [Library] {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        zmq_version(&major, &minor, &patch)
        var (hdf5Major, hdf5Minor, hdf5Release): (UInt32, UInt32, UInt32) = (0, 0, 0)
        H5get_libversion(&hdf5Major, &hdf5Minor, &hdf5Release)
        return [
            Library(name: "ZeroMQ", version: "\(major).\(minor).\(patch)"),
            Library(name: "HDF5", version: "\(hdf5Major).\(hdf5Minor).\(hdf5Release)"),
            Library(name: "libjpeg-turbo", version: file("libturbojpeg") ?? file("libjpeg") ?? "unknown"),
            Library(name: "libpng", version: png_get_libpng_ver(nil).map { String(cString: $0) } ?? "unknown"),
            Library(name: "OpenSSL", version: version(OpenSSL_version(0))),
        ]
    }

    /// `OpenSSL 3.0.15 3 Sep 2024` → `3.0.15`
    private static func version(_ text: UnsafePointer<CChar>?) -> String {
        text.map { String(cString: $0).split(separator: " ").dropFirst().first.map(String.init) ?? String(cString: $0) } ?? "unknown"
    }

    /// The file of a library that does not say its version, e.g. `libturbojpeg.so.0.2.0`.
    private static func file(_ name: String) -> String? {
        // The system hands it out page by page: read to the end.
        guard let data = try? FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd() else { return nil }
        let maps = String(decoding: data, as: UTF8.self)
        let path = maps.split(separator: "\n").lazy.compactMap { $0.split(separator: " ").last }.first { $0.contains("/\(name).so") }
        return path?.split(separator: "/").last.map(String.init)
    }
}
