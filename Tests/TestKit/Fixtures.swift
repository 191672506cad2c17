import Checkpoints
import Foundation
import NeuralNet
import TensorCore
import Testing

/// The folder of golden values: `MVQ_FIXTURES`, or `../shared/fixtures` beside the package. Suites that read it are skipped when it is absent.
public enum Fixtures {
    public static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["MVQ_FIXTURES"] { return URL(fileURLWithPath: path) }
        return packageRoot.deletingLastPathComponent().appendingPathComponent("shared/fixtures")
    }()

    /// The package's own folder.
    public static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    public static let skipped: Comment = "no golden values: set MVQ_FIXTURES to the fixtures folder"

    /// Files of one kind, e.g. all whose names begin with `01_`; empty without the folder.
    public static func files(_ prefix: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasPrefix(prefix) }.sorted()
    }

    public static func exist(_ prefix: String) -> Bool { !files(prefix).isEmpty }
}

/// One case of a fixture file: its settings, arrays and hashed weights.
public struct FixtureCase: Sendable, CustomTestStringConvertible {
    public let file: String
    public let name: String
    public let settings: Settings

    public var testDescription: String { "\(file) \(name)" }

    /// The JSON settings of a case.
    public struct Settings: @unchecked Sendable {  // JSON values are immutable
        let values: [String: Any]

        public func has(_ key: String) -> Bool { values[key] != nil && !(values[key] is NSNull) }
        public func integer(_ key: String) -> Int { number(key).intValue }
        public func double(_ key: String) -> Double { number(key).doubleValue }
        public func text(_ key: String) -> String { values[key] as? String ?? missing(key) }
        public func integers(_ key: String) -> [Int] { (values[key] as? [NSNumber])?.map(\.intValue) ?? missing(key) }
        public func doubles(_ key: String) -> [Double] { (values[key] as? [NSNumber])?.map(\.doubleValue) ?? missing(key) }
        public func texts(_ key: String) -> [String] { values[key] as? [String] ?? missing(key) }
        public func group(_ key: String) -> Settings { Settings(values: values[key] as? [String: Any] ?? missing(key)) }
        public func groups(_ key: String) -> [Settings] { (values[key] as? [[String: Any]])?.map(Settings.init) ?? missing(key) }
        public func isText(_ key: String) -> Bool { values[key] is String }
        public func flag(_ key: String) -> Bool { (values[key] as? NSNumber)?.boolValue ?? false }

        private func number(_ key: String) -> NSNumber { values[key] as? NSNumber ?? missing(key) }
        private func missing<T>(_ key: String) -> T { preconditionFailure("fixture settings lack \(key)") }
    }

    /// All cases of all files of one kind.
    public static func all(_ prefix: String, where wanted: (FixtureCase) -> Bool = { _ in true }) throws -> [FixtureCase] {
        try Fixtures.files(prefix).filter { $0.hasSuffix(".h5") }.flatMap { file -> [FixtureCase] in
            let reader = try HDF5Reader(path: Fixtures.folder.appendingPathComponent(file).path)
            return try reader.children(of: "/").filter { $0 != "config" }.compactMap { name in
                guard try !reader.isDataset(name), reader.contains("\(name)/config") else { return nil }
                let text = try reader.stringAttribute("json", of: "\(name)/config")
                let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
                return FixtureCase(file: file, name: name, settings: Settings(values: json))
            }
        }.filter(wanted)
    }

    /// Opens the case's file; one reader a test, they are not shared between threads.
    public func open() throws -> FixtureArrays {
        FixtureArrays(reader: try HDF5Reader(path: Fixtures.folder.appendingPathComponent(file).path), base: name)
    }
}

/// The arrays of one case.
public final class FixtureArrays {
    let reader: HDF5Reader
    let base: String

    init(reader: HDF5Reader, base: String) {
        self.reader = reader
        self.base = base
    }

    func path(_ name: String) -> String { "\(base)/\(name)" }

    public func has(_ name: String) -> Bool { reader.contains(path(name)) }
    public func isDataset(_ name: String) throws -> Bool { try reader.isDataset(path(name)) }
    public func children(of name: String) throws -> [String] { try reader.children(of: path(name)) }
    public func shape(_ name: String) throws -> [Int] { try reader.shape(of: path(name)) }
    public func integers(_ name: String) throws -> [Int] { try reader.integers(path(name)) }
    public func floats(_ name: String) throws -> [Float] { try reader.floats(path(name)) }
    public func scalar(_ name: String) throws -> Float { try reader.floats(path(name))[0] }
    public func tensor(_ name: String) throws -> Tensor { Tensor(try floats(name), Shape(try shape(name))) }

    /// An image or map `[B, C, H, W]` as channels-last `[B, H, W, C]`.
    public func map(_ name: String) throws -> Tensor { channelsLast(try floats(name), try shape(name)) }

    /// The columns of a table, from its attribute.
    public func columns(of name: String) throws -> [String] {
        try reader.stringAttribute("columns", of: path(name)).split(separator: ",").map(String.init)
    }

    /// JSON stored as bytes.
    public func json(_ name: String) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(try reader.bytes(path(name))))
    }

    /// Weights regenerated from the case's hash table, for a layout that must name exactly the same tensors.
    /// - Parameter prefix: what the table's names have in front of the layout's; names without it are left out.
    public func hashedWeights(
        for layout: ParameterLayout, prefix: String = "", ignoring: (String) -> Bool = { _ in false }
    ) throws -> Tensor {
        let table = try json("params_hashed_json") as? [[String: Any]] ?? []
        let vector = Tensor(zeros: [layout.count])
        var seen: Set<String> = []
        for entry in table {
            let fullName = try #require(entry["name"] as? String)
            if ignoring(fullName) || !fullName.hasPrefix(prefix) { continue }
            let name = String(fullName.dropFirst(prefix.count))
            let parameter = try #require(layout.parameter(named: name), "the model has no parameter \(name)")
            let shape = try #require(entry["shape"] as? [Int])
            #expect(parameter.officialShape == shape, "shape of \(name)")
            let scale = try #require(entry["scale"] as? NSNumber).floatValue
            let offset = try #require(entry["offset"] as? NSNumber).floatValue
            let key = try #require(entry["key"] as? String)
            parameter.setOfficial(hashedValues(key: key, count: parameter.count, scale: scale, offset: offset), in: vector)
            seen.insert(name)
        }
        for parameter in layout.parameters { #expect(seen.contains(parameter.name), "the fixture has no \(parameter.name)") }
        return vector
    }
}

/// `[B, C, H, W]` → channels-last.
public func channelsLast(_ values: [Float], _ shape: [Int]) -> Tensor {
    let (batch, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    var out = [Float](repeating: 0, count: values.count)
    for b in 0..<batch {
        for c in 0..<channels {
            for p in 0..<(height * width) { out[(b * height * width + p) * channels + c] = values[(b * channels + c) * height * width + p] }
        }
    }
    return Tensor(out, [batch, height, width, channels])
}

/// Channels-last → the elements of `[B, C, H, W]`.
public func channelsFirst(_ map: Tensor) -> [Float] {
    let (batch, height, width, channels) = (map.shape[0], map.shape[1], map.shape[2], map.shape[3])
    let values = map.elements
    var out = [Float](repeating: 0, count: values.count)
    for b in 0..<batch {
        for c in 0..<channels {
            for p in 0..<(height * width) { out[(b * channels + c) * height * width + p] = values[(b * height * width + p) * channels + c] }
        }
    }
    return out
}

/// Element i of the hashed tensor of a key (README of the fixtures): FNV-1a of the key, splitmix64, 24 bits to [−0.5, 0.5).
public func hashedValues(key: String, count: Int, scale: Float, offset: Float) -> [Float] {
    let hash = key.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return (0..<count).map { i in
        let unit = Float(Philox.mix(hash &+ UInt64(i)) >> 40) / 16_777_216 - 0.5
        let product = unit * (2 * scale)
        return product + offset
    }
}
