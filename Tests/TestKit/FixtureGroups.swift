import Checkpoints
import Foundation
import TensorCore
import Testing

extension FixtureCase {
    /// The arrays of a group of this case's file that is no case of its own.
    public func openGroup(_ name: String) throws -> FixtureArrays {
        FixtureArrays(reader: try HDF5Reader(path: Fixtures.folder.appendingPathComponent(file).path), base: name)
    }
}

extension FixtureArrays {
    /// The settings that a group within the case has of its own.
    public func settings(of group: String) throws -> FixtureCase.Settings {
        let text = try reader.stringAttribute("json", of: path(group))
        return FixtureCase.Settings(values: try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]))
    }

    /// The case's hashed tensors by name, in the official order: for what is no model of ours.
    public func hashedTensors() throws -> [String: Tensor] {
        let table = try #require(try json("params_hashed_json") as? [[String: Any]])
        var tensors: [String: Tensor] = [:]
        for entry in table {
            let name = try #require(entry["name"] as? String)
            let key = try #require(entry["key"] as? String)
            let shape = Shape(try #require(entry["shape"] as? [Int]))
            let scale = try #require(entry["scale"] as? NSNumber).floatValue
            let offset = try #require(entry["offset"] as? NSNumber).floatValue
            tensors[name] = Tensor(hashedValues(key: key, count: shape.count, scale: scale, offset: offset), shape)
        }
        return tensors
    }
}
