internal import Checksums

/// The header of a safetensors file: JSON that names every tensor with type, shape and its range of the data after it.
///
/// Accepted is what the format's own library accepts: names are distinct, ranges have the size that type and shape ask for, and together they
/// cover the data without hole or overlap.
struct SafetensorsHeader: Equatable, Sendable {
    struct Tensor: Equatable, Sendable {
        let name: String
        let type: SafetensorsType
        let shape: [Int]
        /// Bytes of the data.
        let range: Range<Int>
    }

    /// The longest header that the format's own library reads.
    static let longest = 100_000_000
    /// The key of texts beside the tensors.
    private static let metadataKey = "__metadata__"

    /// In the order of their data.
    let tensors: [Tensor]
    let metadata: [String: String]

    /// Reads a header, without the eight bytes of its length.
    /// - Parameter dataBytes: the size of what follows it in the file.
    init(parsing bytes: [UInt8], dataBytes: Int) throws(HeaderProblem) {
        var tensors: [Tensor] = []
        var metadata: [String: String] = [:]
        guard bytes.first == UInt8(ascii: "{") else { throw HeaderProblem("its header does not begin with '{'") }
        var scanner = HeaderScanner(bytes)
        try scanner.object { (scanner, key) throws(HeaderProblem) in
            if key == SafetensorsHeader.metadataKey {
                try scanner.object { (scanner, key) throws(HeaderProblem) in metadata[key] = try scanner.text() }
            } else {
                tensors.append(try SafetensorsHeader.tensor(key, &scanner, dataBytes: dataBytes))
            }
        }
        try scanner.end()
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound, $0.name) < ($1.range.lowerBound, $1.range.upperBound, $1.name) }
        var end = 0
        for tensor in tensors {
            guard tensor.range.lowerBound == end else {
                throw HeaderProblem(
                    tensor.range.lowerBound < end
                        ? "\(printable(tensor.name)) overlaps the tensor before it"
                        : "\(tensor.range.lowerBound - end) bytes before \(printable(tensor.name)) belong to no tensor")
            }
            end = tensor.range.upperBound
        }
        guard end == dataBytes else { throw HeaderProblem("\(dataBytes - end) bytes at its end belong to no tensor") }
        self.tensors = tensors
        self.metadata = metadata
    }

    private static func tensor(_ name: String, _ scanner: inout HeaderScanner, dataBytes: Int) throws(HeaderProblem) -> Tensor {
        let shown = printable(name)
        var type: SafetensorsType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.object { (scanner, key) throws(HeaderProblem) in
            switch key {
            case "dtype":
                let text = try scanner.text()
                guard let known = SafetensorsType(rawValue: text) else { throw HeaderProblem("\(shown) has the unknown type \(printable(text))") }
                type = known
            case "shape": shape = try scanner.integers()
            case "data_offsets": offsets = try scanner.integers()
            default: throw HeaderProblem("\(shown) has an unknown field \(printable(key))")
            }
        }
        guard let type, let shape, let offsets else { throw HeaderProblem("\(shown) lacks dtype, shape or data_offsets") }
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= dataBytes else {
            throw HeaderProblem("\(shown) lies at \(offsets) of \(dataBytes) bytes of data")
        }
        guard let count = checkedProduct(shape), let size = checkedProduct([count, type.size]), size == offsets[1] - offsets[0] else {
            throw HeaderProblem("\(shown) has \(offsets[1] - offsets[0]) bytes, too many or too few for \(type.rawValue) \(shape)")
        }
        return Tensor(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// Lays out float32 tensors side by side, sorted by name.
    init(_ arrays: [(name: String, shape: [Int])], metadata: [String: String]) {
        var end = 0
        tensors = arrays.sorted { $0.name < $1.name }.map { array in
            let start = end
            end += array.shape.reduce(1, *) * SafetensorsType.f32.size
            return Tensor(name: array.name, type: .f32, shape: array.shape, range: start..<end)
        }
        self.metadata = metadata
    }

    /// Length and JSON, filled with spaces so that the data begin at a multiple of eight bytes; equal content gives equal bytes.
    var encoded: [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let texts = metadata.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
            members.append("\(Self.quoted(Self.metadataKey)):{\(texts.joined(separator: ","))}")
        }
        for tensor in tensors {
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let (start, end) = (tensor.range.lowerBound, tensor.range.upperBound)
            members.append(
                "\(Self.quoted(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],\"data_offsets\":[\(start),\(end)]}")
        }
        var json = Array("{\(members.joined(separator: ","))}".utf8)
        while json.count % 8 != 0 { json.append(0x20) }
        return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case _ where scalar.value < 0x20: quoted += "\\u00" + hexadecimal([UInt8(scalar.value)])
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
