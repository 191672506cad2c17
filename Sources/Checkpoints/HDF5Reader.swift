internal import CHDF5
import Foundation

/// Reads datasets and attributes of any plain HDF5 file: contiguous, chunked, gzip-compressed, scalar or empty datasets
/// of numbers. Object paths are absolute, e.g. `/model/encoder.conv_in.weight`; the leading slash may be left out.
///
/// ```swift
/// let reader = try HDF5Reader(path: "06_lfq.h5")
/// let shape = try reader.shape(of: "d10/inputs/y")    // [2, 25, 10]
/// let values = try reader.floats("d10/inputs/y")      // 500 numbers, row-major
/// ```
///
/// Not `Sendable`: use one reader from one thread at a time. Every failure is an `HDF5Error`.
package final class HDF5Reader {
    /// The file's path as given.
    package let file: String
    /// The size of the file in bytes when it was opened.
    package let byteCount: Int
    let handle: HDF5Handle

    /// Opens a file for reading.
    package init(path: String) throws {
        HDF5Library.silence()
        guard HDF5Library.isThreadSafe else {
            throw HDF5Error.cannotOpen(file: path, reason: "this HDF5 library was built without thread safety")
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw HDF5Error.cannotOpen(file: path, reason: String(cString: strerror(errno)))
        }
        guard status.st_size > 0 else { throw HDF5Error.cannotOpen(file: path, reason: "the file is empty") }
        // HDF5's own flock() fails on several network file systems and protects nothing that is only read.
        guard let access = HDF5Handle(H5Pcreate(hdf5_file_access())), H5Pset_file_locking(access.id, false, true) >= 0,
            let handle = HDF5Handle(H5Fopen(path, hdf5_read_only(), access.id))
        else { throw HDF5Error.cannotOpen(file: path, reason: HDF5Library.lastFailure()) }
        self.handle = handle
        file = path
        byteCount = Int(status.st_size)
    }

    /// Whether a group or dataset of this path exists.
    package func contains(_ path: String) -> Bool {
        HDF5Library.silence()
        // HDF5 wants every parent to exist before it answers for the child.
        var prefix = ""
        for component in path.split(separator: "/") {
            prefix += "/" + component
            guard H5Lexists(handle.id, prefix, hid_t(H5P_DEFAULT)) > 0 else { return false }
        }
        return prefix.isEmpty || H5Oexists_by_name(handle.id, prefix, hid_t(H5P_DEFAULT)) > 0
    }

    /// Whether the object of this path is a dataset (a group otherwise).
    package func isDataset(_ path: String) throws -> Bool {
        let object = try open(path)
        return H5Iget_type(object.id) == H5I_DATASET
    }

    /// Names of the direct children of a group, sorted.
    package func children(of group: String) throws -> [String] {
        let object = try open(group)
        guard H5Iget_type(object.id) == H5I_GROUP else {
            throw HDF5Error.unsuitable(file: file, path: group, reason: "is no group")
        }
        var names: [String] = []
        let result = withUnsafeMutablePointer(to: &names) { pointer in
            hdf5_iterate_links(
                object.id,
                { _, name, _, context in
                    guard let name, let context else { return -1 }
                    context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
                    return 0
                }, pointer)
        }
        guard result >= 0 else { throw damaged(group) }
        return names.sorted()
    }

    /// The dataset's dimensions, slowest first; `[]` for a scalar.
    package func shape(of path: String) throws -> [Int] {
        try shape(of: dataset(path), path)
    }

    /// The dataset's numbers as float32, row-major; integers and float64 are converted.
    package func floats(_ path: String) throws -> [Float] {
        try array(path, of: hdf5_native_float(), accepting: [H5T_FLOAT, H5T_INTEGER])
    }

    /// The dataset's numbers as float64, row-major; integers and float32 are converted.
    package func doubles(_ path: String) throws -> [Double] {
        try array(path, of: hdf5_native_double(), accepting: [H5T_FLOAT, H5T_INTEGER])
    }

    /// The dataset's integers (any width and sign), row-major.
    package func integers(_ path: String) throws -> [Int] {
        try array(path, of: hdf5_native_int64(), accepting: [H5T_INTEGER])
    }

    /// The dataset's bytes; its type must be an 8-bit integer.
    package func bytes(_ path: String) throws -> [UInt8] {
        try array(path, of: hdf5_native_uint8(), accepting: [H5T_INTEGER], size: 1)
    }

    /// The dataset's unsigned integers of exactly 16 bits, row-major.
    package func uint16s(_ path: String) throws -> [UInt16] {
        try array(path, of: hdf5_native_uint16(), accepting: [H5T_INTEGER], size: 2)
    }

    /// The dataset's unsigned integers of exactly 32 bits, row-major.
    package func uint32s(_ path: String) throws -> [UInt32] {
        try array(path, of: hdf5_native_uint32(), accepting: [H5T_INTEGER], size: 4)
    }

    /// Reads a dataset as float32 into memory of exactly its size.
    package func read(_ path: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
        let dataset = try dataset(path)
        let count = try elementCount(of: dataset, path)
        guard count == buffer.count else {
            throw HDF5Error.unsuitable(file: file, path: path, reason: "has \(count) elements, expected \(buffer.count)")
        }
        try requireType(of: dataset, path, accepting: [H5T_FLOAT, H5T_INTEGER], size: nil)
        guard let base = buffer.baseAddress, count > 0 else { return }
        try read(dataset, path, as: hdf5_native_float(), into: base)
    }
}

extension HDF5Reader {
    /// Opens a group or dataset.
    func open(_ path: String) throws -> HDF5Handle {
        HDF5Library.silence()
        if let object = HDF5Handle(H5Oopen(handle.id, path.isEmpty ? "/" : path, hid_t(H5P_DEFAULT))) { return object }
        let reason = HDF5Library.lastFailure()
        throw contains(path)
            ? HDF5Error.damaged(file: file, path: path, reason: reason) : HDF5Error.missing(file: file, path: path)
    }

    func damaged(_ path: String) -> HDF5Error {
        .damaged(file: file, path: path, reason: HDF5Library.lastFailure())
    }

    private func dataset(_ path: String) throws -> HDF5Handle {
        let object = try open(path)
        guard H5Iget_type(object.id) == H5I_DATASET else {
            throw HDF5Error.unsuitable(file: file, path: path, reason: "is no dataset")
        }
        return object
    }

    private func shape(of dataset: borrowing HDF5Handle, _ path: String) throws -> [Int] {
        guard let space = HDF5Handle(H5Dget_space(dataset.id)) else { throw damaged(path) }
        return try shape(ofSpace: space, path)
    }

    /// Dimensions of a dataspace; a null dataspace counts as `[0]`.
    func shape(ofSpace space: borrowing HDF5Handle, _ path: String) throws -> [Int] {
        if H5Sget_simple_extent_type(space.id) == H5S_NULL { return [0] }
        let rank = H5Sget_simple_extent_ndims(space.id)
        guard rank >= 0 else { throw damaged(path) }
        var dimensions = [hsize_t](repeating: 0, count: Int(rank))
        guard H5Sget_simple_extent_dims(space.id, &dimensions, nil) == rank else { throw damaged(path) }
        return try dimensions.map { dimension in
            guard let size = Int(exactly: dimension) else {
                throw HDF5Error.damaged(file: file, path: path, reason: "claims a dimension of \(dimension)")
            }
            return size
        }
    }

    private func elementCount(of dataset: borrowing HDF5Handle, _ path: String) throws -> Int {
        let shape = try shape(of: dataset, path)
        guard let count = checkedProduct(shape) else {
            throw HDF5Error.damaged(file: file, path: path, reason: "claims the shape \(shape)")
        }
        return count
    }

    private func requireType(
        of dataset: borrowing HDF5Handle, _ path: String, accepting classes: [H5T_class_t], size: Int?
    ) throws {
        guard let type = HDF5Handle(H5Dget_type(dataset.id)) else { throw damaged(path) }
        guard classes.contains(H5Tget_class(type.id)), size == nil || H5Tget_size(type.id) == size else {
            let wanted = classes.contains(H5T_FLOAT) ? "numbers" : size.map { "\(8 * $0)-bit integers" } ?? "integers"
            throw HDF5Error.unsuitable(file: file, path: path, reason: "does not hold \(wanted)")
        }
    }

    private func array<Element: BitwiseCopyable>(
        _ path: String, of type: hid_t, accepting classes: [H5T_class_t], size: Int? = nil
    ) throws -> [Element] {
        let dataset = try dataset(path)
        try requireType(of: dataset, path, accepting: classes, size: size)
        let count = try elementCount(of: dataset, path)
        guard count > 0 else { return [] }
        // A damaged header may claim petabytes. Deflate expands at most 1032 times, so the file's size bounds the truth.
        guard count <= (byteCount + 1_048_576) * 1032 else {
            throw HDF5Error.damaged(file: file, path: path, reason: "claims \(count) elements in a file of \(byteCount) bytes")
        }
        return try [Element](unsafeUninitializedCapacity: count) { buffer, initialised in
            guard let base = buffer.baseAddress else { return }
            try read(dataset, path, as: type, into: base)
            initialised = count
        }
    }

    private func read(
        _ dataset: borrowing HDF5Handle, _ path: String, as type: hid_t, into memory: UnsafeMutableRawPointer
    ) throws {
        guard H5Dread(dataset.id, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), memory) >= 0 else {
            throw damaged(path)
        }
    }
}

/// The product of dimensions; nil on overflow or a negative one.
func checkedProduct(_ shape: [Int]) -> Int? {
    var product = 1
    for size in shape {
        let (next, overflow) = product.multipliedReportingOverflow(by: size)
        guard !overflow, size >= 0 else { return nil }
        product = next
    }
    return product
}
