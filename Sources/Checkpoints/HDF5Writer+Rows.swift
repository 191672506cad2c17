internal import CHDF5

extension HDF5Writer {
    /// An unsigned little-endian integer of so many bits.
    package enum Unsigned: Int, Sendable {
        case bits8 = 8
        case bits16 = 16
        case bits32 = 32

        fileprivate var stored: hid_t {
            switch self {
            case .bits8: hdf5_std_u8le()
            case .bits16: hdf5_std_u16le()
            case .bits32: hdf5_std_u32le()
            }
        }

        fileprivate var memory: hid_t {
            switch self {
            case .bits8: hdf5_native_uint8()
            case .bits16: hdf5_native_uint16()
            case .bits32: hdf5_native_uint32()
            }
        }
    }

    /// A dataset of unsigned integers that is written row by row, so that it never lies in memory as a whole. Chunked with Fletcher32 checksums, as
    /// all datasets of this writer are.
    package final class Rows {
        private let path: String
        private let shape: [Int]
        private let type: Unsigned
        private let rowBytes: Int
        private let rowsPerChunk: Int
        private let writer: HDF5Writer
        private var dataset: HDF5Handle?
        /// Rows that are still to be written: never more than a chunk, so that every chunk is written once.
        private var pending: [UInt8] = []
        private var written = 0

        fileprivate init(_ writer: HDF5Writer, _ path: String, shape: [Int], type: Unsigned, dataset: consuming HDF5Handle) {
            self.writer = writer
            self.path = path
            self.shape = shape
            self.type = type
            rowBytes = shape.dropFirst().reduce(type.rawValue / 8, *)
            rowsPerChunk = HDF5Writer.chunk(of: shape)[0]
            self.dataset = consume dataset
            pending.reserveCapacity(rowsPerChunk * rowBytes)
        }

        /// Adds the next row, little-endian.
        package func append(_ row: UnsafeRawBufferPointer) throws {
            precondition(row.count == rowBytes && written + pending.count / rowBytes < shape[0], "\(path): a row of \(row.count) bytes in \(shape)")
            pending.append(contentsOf: row)
            if pending.count == rowsPerChunk * rowBytes { try writePending() }
        }

        /// Writes what is left; all rows must have come.
        package func finish() throws {
            try writePending()
            precondition(written == shape[0], "\(path): \(written) of \(shape[0]) rows")
            guard dataset.take()?.close() == true else { throw writer.failure(path) }
        }

        private func writePending() throws {
            let rows = pending.count / rowBytes
            guard rows > 0 else { return }
            HDF5Library.silence()
            let count = ([rows] + shape.dropFirst()).map { hsize_t($0) }
            let start = [hsize_t(written)] + shape.dropFirst().map { _ in hsize_t(0) }
            let id: hid_t
            switch dataset {
            case .some(let open): id = open.id
            case .none: throw HDF5Error.cannotWrite(file: writer.file, path: path, reason: "the dataset is closed")
            }
            guard let space = HDF5Handle(H5Dget_space(id)),
                H5Sselect_hyperslab(space.id, H5S_SELECT_SET, start, nil, count, nil) >= 0,
                let memory = HDF5Handle(H5Screate_simple(Int32(count.count), count, nil)),
                pending.withUnsafeBytes({ H5Dwrite(id, type.memory, memory.id, space.id, hid_t(H5P_DEFAULT), $0.baseAddress) }) >= 0
            else { throw writer.failure(path) }
            written += rows
            pending.removeAll(keepingCapacity: true)
        }
    }

    /// Begins a dataset of unsigned integers that is written row by row.
    ///
    /// - Parameter shape: rows first; not empty.
    package func rows(_ path: String, shape: [Int], of type: Unsigned) throws -> Rows {
        precondition(!shape.isEmpty && !shape.contains(0), "\(path): rows of shape \(shape)")
        HDF5Library.silence()
        return Rows(self, path, shape: shape, type: type, dataset: try makeDataset(path, shape: shape, type: type.stored))
    }
}
