internal import CHDF5
import Foundation

extension HDF5Reader {
    /// The kind of value an attribute holds.
    package enum AttributeKind: Equatable, Sendable {
        case integer, float, string, other
    }

    /// Names of the attributes of a group or dataset, sorted.
    package func attributeNames(of path: String) throws -> [String] {
        let object = try open(path)
        var names: [String] = []
        var position: hsize_t = 0
        let result = withUnsafeMutablePointer(to: &names) { pointer in
            H5Aiterate2(
                object.id, H5_INDEX_NAME, H5_ITER_INC, &position,
                { _, name, _, context in
                    guard let name, let context else { return -1 }
                    context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
                    return 0
                }, pointer)
        }
        guard result >= 0 else { throw damaged(path) }
        return names.sorted()
    }

    /// What kind of value an attribute holds.
    package func attributeKind(_ name: String, of path: String) throws -> AttributeKind {
        let attribute = try openAttribute(name, of: path)
        guard let type = HDF5Handle(H5Aget_type(attribute.id)) else { throw damaged(place(name, path)) }
        return switch H5Tget_class(type.id) {
        case H5T_INTEGER: .integer
        case H5T_FLOAT: .float
        case H5T_STRING: .string
        default: .other
        }
    }

    /// A scalar text attribute, fixed or variable length, ASCII or UTF-8, without padding.
    package func stringAttribute(_ name: String, of path: String) throws -> String {
        let attribute = try openAttribute(name, of: path)
        let place = place(name, path)
        guard let type = HDF5Handle(H5Aget_type(attribute.id)) else { throw damaged(place) }
        guard H5Tget_class(type.id) == H5T_STRING else {
            throw HDF5Error.unsuitable(file: file, path: place, reason: "is no text")
        }
        guard try count(attribute, place) == 1 else {
            throw HDF5Error.unsuitable(file: file, path: place, reason: "is an array of texts, not one text")
        }
        let bytes = H5Tis_variable_str(type.id) > 0
            ? try variableBytes(attribute, type, place) : try fixedBytes(attribute, type, place)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw HDF5Error.unsuitable(file: file, path: place, reason: "is not UTF-8")
        }
        return text
    }

    /// A scalar integer attribute of any width.
    package func integerAttribute(_ name: String, of path: String) throws -> Int {
        try single(integersAttribute(name, of: path), name, path)
    }

    /// A scalar float attribute (float32 or float64) or an integer one, converted.
    package func doubleAttribute(_ name: String, of path: String) throws -> Double {
        try single(doublesAttribute(name, of: path), name, path)
    }

    /// An integer attribute of any shape, row-major.
    package func integersAttribute(_ name: String, of path: String) throws -> [Int] {
        try numbers(name, path, of: hdf5_native_int64(), zero: 0, accepting: [H5T_INTEGER])
    }

    /// A float or integer attribute of any shape as float64, row-major.
    package func doublesAttribute(_ name: String, of path: String) throws -> [Double] {
        try numbers(name, path, of: hdf5_native_double(), zero: 0, accepting: [H5T_FLOAT, H5T_INTEGER])
    }
}

extension HDF5Reader {
    private func place(_ name: String, _ path: String) -> String {
        "attribute \(name) of \(path.isEmpty ? "/" : path)"
    }

    private func openAttribute(_ name: String, of path: String) throws -> HDF5Handle {
        let object = try open(path)
        if let attribute = HDF5Handle(H5Aopen(object.id, name, hid_t(H5P_DEFAULT))) { return attribute }
        let reason = HDF5Library.lastFailure()
        throw H5Aexists(object.id, name) > 0
            ? HDF5Error.damaged(file: file, path: place(name, path), reason: reason)
            : HDF5Error.missing(file: file, path: place(name, path))
    }

    private func count(_ attribute: borrowing HDF5Handle, _ place: String) throws -> Int {
        guard let space = HDF5Handle(H5Aget_space(attribute.id)) else { throw damaged(place) }
        let shape = try shape(ofSpace: space, place)
        guard let count = checkedProduct(shape), count <= byteCount else {
            throw HDF5Error.damaged(file: file, path: place, reason: "claims the shape \(shape)")
        }
        return count
    }

    private func single<Element>(_ values: [Element], _ name: String, _ path: String) throws -> Element {
        guard let value = values.first, values.count == 1 else {
            throw HDF5Error.unsuitable(
                file: file, path: place(name, path), reason: "has \(values.count) elements, expected one")
        }
        return value
    }

    private func numbers<Element: BitwiseCopyable>(
        _ name: String, _ path: String, of type: hid_t, zero: Element, accepting classes: [H5T_class_t]
    ) throws -> [Element] {
        let attribute = try openAttribute(name, of: path)
        let place = place(name, path)
        guard let stored = HDF5Handle(H5Aget_type(attribute.id)) else { throw damaged(place) }
        guard classes.contains(H5Tget_class(stored.id)) else {
            throw HDF5Error.unsuitable(file: file, path: place, reason: "holds no such number")
        }
        var values = [Element](repeating: zero, count: try count(attribute, place))
        guard values.isEmpty || H5Aread(attribute.id, type, &values) >= 0 else { throw damaged(place) }
        return values
    }

    private func fixedBytes(
        _ attribute: borrowing HDF5Handle, _ type: borrowing HDF5Handle, _ place: String
    ) throws -> [UInt8] {
        let size = H5Tget_size(type.id)
        guard size > 0, size <= byteCount else { throw damaged(place) }
        var bytes = [UInt8](repeating: 0, count: size)
        guard H5Aread(attribute.id, type.id, &bytes) >= 0 else { throw damaged(place) }
        if H5Tget_strpad(type.id) == H5T_STR_SPACEPAD {
            while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
            return bytes
        }
        return Array(bytes.prefix { $0 != 0 })
    }

    private func variableBytes(
        _ attribute: borrowing HDF5Handle, _ type: borrowing HDF5Handle, _ place: String
    ) throws -> [UInt8] {
        var text: UnsafeMutablePointer<CChar>?
        guard H5Aread(attribute.id, type.id, &text) >= 0 else { throw damaged(place) }
        guard let text else { return [] }
        defer { H5free_memory(text) }
        return Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}
