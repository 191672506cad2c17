internal import CHDF5
import Foundation

/// Writes one HDF5 file of float32 datasets and attributes that plain h5py (2.10 or later) reads.
///
/// Numbers are little-endian and lie in chunks of at most 4 MiB with Fletcher32 checksums (scalars lie in their object
/// header, which HDF5 checksums itself; so do attributes). Equal content gives equal bytes: no times are stored.
/// Every failure throws `HDF5Error.cannotWrite`; the file is complete only after `close()` returned. On a full disk
/// HDF5 reports the failure at any of its calls, or only at some of them: after an error the file is worthless.
package final class HDF5Writer {
    /// The largest chunk, in bytes.
    static let chunkBytes = 4 << 20

    /// The file's path as given.
    package let file: String
    private var handle: HDF5Handle?

    /// Creates the file; an existing one is replaced.
    package init(creating path: String) throws {
        HDF5Library.silence()
        file = path
        // The 1.10 format checksums all its metadata; older formats leave chunk indices and heaps unprotected.
        guard let creation = HDF5Handle(H5Pcreate(hdf5_file_create())), H5Pset_obj_track_times(creation.id, false) >= 0,
            let access = HDF5Handle(H5Pcreate(hdf5_file_access())),
            H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0,
            H5Pset_file_locking(access.id, false, true) >= 0,
            let created = HDF5Handle(H5Fcreate(path, hdf5_truncate(), creation.id, access.id))
        else { throw HDF5Error.cannotWrite(file: path, path: "/", reason: HDF5Library.lastFailure()) }
        handle = consume created
    }

    /// Creates a group (and the groups above it) unless it exists.
    package func createGroup(_ path: String) throws {
        HDF5Library.silence()
        let file = try openFile(path)
        var prefix = ""
        for component in path.split(separator: "/") {
            prefix += "/" + component
            let present = H5Lexists(file, prefix, hid_t(H5P_DEFAULT))
            guard present >= 0 else { throw failure(prefix) }
            if present > 0 { continue }
            guard let link = HDF5Handle(H5Pcreate(hdf5_link_create())),
                H5Pset_char_encoding(link.id, H5T_CSET_UTF8) >= 0,
                let creation = HDF5Handle(H5Pcreate(hdf5_group_create())),
                H5Pset_obj_track_times(creation.id, false) >= 0,
                let group = HDF5Handle(H5Gcreate2(file, prefix, link.id, creation.id, hid_t(H5P_DEFAULT)))
            else { throw failure(prefix) }
            guard group.close() else { throw failure(prefix) }
        }
    }

    /// An empty dataset, checksummed and without times, whose elements are stored as `type`.
    func makeDataset(_ path: String, shape: [Int], type: hid_t) throws -> HDF5Handle {
        let file = try openFile(path)
        guard let link = HDF5Handle(H5Pcreate(hdf5_link_create())),
            H5Pset_char_encoding(link.id, H5T_CSET_UTF8) >= 0,
            let creation = HDF5Handle(H5Pcreate(hdf5_dataset_create())),
            H5Pset_obj_track_times(creation.id, false) >= 0,
            layOut(creation, shape: shape),
            let space = makeSpace(shape),
            let dataset = HDF5Handle(H5Dcreate2(file, path, type, space.id, link.id, creation.id, hid_t(H5P_DEFAULT)))
        else { throw failure(path) }
        return dataset
    }

    /// Writes a dataset of float32 numbers, row-major; groups above it are created.
    package func write(_ path: String, shape: [Int], values: UnsafeBufferPointer<Float>) throws {
        precondition(checkedProduct(shape) == values.count, "\(path): shape \(shape) with \(values.count) values")
        HDF5Library.silence()
        let parent = path.split(separator: "/").dropLast().joined(separator: "/")
        try createGroup(parent)
        let dataset = try makeDataset(path, shape: shape, type: hdf5_ieee_f32le())
        if let base = values.baseAddress, values.count > 0 {
            let all = hid_t(H5S_ALL)
            guard H5Dwrite(dataset.id, hdf5_native_float(), all, all, hid_t(H5P_DEFAULT), base) >= 0 else {
                throw failure(path)
            }
        }
        guard dataset.close() else { throw failure(path) }
    }

    /// Adds an attribute to a group or dataset.
    package func setAttribute(_ name: String, _ value: AttributeValue, of path: String) throws {
        HDF5Library.silence()
        switch value {
        case .integer(let number):
            guard let type = HDF5Handle(H5Tcopy(hdf5_std_i64le())) else { throw failure(path) }
            try withUnsafeBytes(of: Int64(number)) {
                try setAttribute(name, of: path, stored: type, memory: hdf5_native_int64(), bytes: $0)
            }
        case .double(let number):
            guard let type = HDF5Handle(H5Tcopy(hdf5_ieee_f64le())) else { throw failure(path) }
            try withUnsafeBytes(of: number) {
                try setAttribute(name, of: path, stored: type, memory: hdf5_native_double(), bytes: $0)
            }
        case .string(let text):
            guard !text.utf8.contains(0) else {
                throw HDF5Error.cannotWrite(file: file, path: "attribute \(name)", reason: "the text contains a NUL")
            }
            // Fixed length: variable-length texts lie in a heap without checksums.
            let bytes = text.isEmpty ? [0] : Array(text.utf8)
            guard let type = HDF5Handle(H5Tcopy(hdf5_c_string())), H5Tset_size(type.id, bytes.count) >= 0,
                H5Tset_strpad(type.id, H5T_STR_NULLPAD) >= 0, H5Tset_cset(type.id, H5T_CSET_UTF8) >= 0
            else { throw failure(path) }
            try bytes.withUnsafeBytes {
                try setAttribute(name, of: path, stored: type, memory: type.id, bytes: $0)
            }
        }
    }

    /// Flushes and closes the file; only after this has it its content (not yet on the disk: that takes an fsync).
    package func close() throws {
        HDF5Library.silence()
        guard let open = handle.take() else { return }
        guard H5Fflush(open.id, H5F_SCOPE_GLOBAL) >= 0 else { throw failure("/") }
        guard open.close() else { throw failure("/") }
    }
}

extension HDF5Writer {
    /// The chunk of a dataset: whole trailing dimensions, as many leading rows as fit, rows split evenly.
    static func chunk(of shape: [Int]) -> [Int] {
        var chunk = shape
        var elements = chunkBytes / MemoryLayout<Float>.size
        for axis in shape.indices.reversed() {
            let parts = (shape[axis] + elements - 1) / elements
            chunk[axis] = (shape[axis] + parts - 1) / parts
            elements = max(1, elements / chunk[axis])
        }
        return chunk
    }

    func openFile(_ path: String) throws -> hid_t {
        switch handle {
        case .some(let open): return open.id
        case .none: throw HDF5Error.cannotWrite(file: file, path: path, reason: "the file is closed")
        }
    }

    func failure(_ path: String) -> HDF5Error {
        .cannotWrite(file: file, path: path, reason: HDF5Library.lastFailure())
    }

    func layOut(_ creation: borrowing HDF5Handle, shape: [Int]) -> Bool {
        if shape.isEmpty { return H5Pset_layout(creation.id, H5D_COMPACT) >= 0 }
        if shape.contains(0) { return true }
        let chunk = Self.chunk(of: shape).map { hsize_t($0) }
        return H5Pset_chunk(creation.id, Int32(chunk.count), chunk) >= 0 && H5Pset_fletcher32(creation.id) >= 0
    }

    func makeSpace(_ shape: [Int]) -> HDF5Handle? {
        if shape.isEmpty { return HDF5Handle(H5Screate(H5S_SCALAR)) }
        return HDF5Handle(H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil))
    }

    private func setAttribute(
        _ name: String, of path: String, stored: borrowing HDF5Handle, memory: hid_t, bytes: UnsafeRawBufferPointer
    ) throws {
        let file = try openFile(path)
        guard let object = HDF5Handle(H5Oopen(file, path, hid_t(H5P_DEFAULT))),
            let space = HDF5Handle(H5Screate(H5S_SCALAR)),
            let attribute = HDF5Handle(
                H5Acreate2(object.id, name, stored.id, space.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))),
            H5Awrite(attribute.id, memory, bytes.baseAddress) >= 0
        else { throw failure("attribute \(name) of \(path)") }
        guard attribute.close(), object.close() else { throw failure("attribute \(name) of \(path)") }
    }
}
