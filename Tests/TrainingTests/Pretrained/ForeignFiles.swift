import Checkpoints
import Foundation
import TensorCore
import Training

/// Files as other programs write them.
enum ForeignFile {
    /// Numbers that differ from name to name, with signalling NaNs among them.
    static func values(_ name: String, _ shape: [Int]) -> [Float] {
        let random = Philox(seed: 6, domain: name)
        return (0..<shape.reduce(1, *)).map { i in
            i % 97 == 5 ? Float(bitPattern: 0x7F80_0001 + UInt32(i)) : Float(random.uniform(draw: i) - 0.5)
        }
    }

    /// Writes a safetensors file without any text of ours.
    static func write(_ arrays: [ExpectedArray], to path: String) throws {
        var (members, data): ([String], [UInt8]) = ([], [])
        for array in arrays {
            let start = data.count
            data += values(array.name, array.shape).withUnsafeBytes { Array($0) }
            members.append("\"\(array.name)\":{\"dtype\":\"F32\",\"shape\":\(array.shape),\"data_offsets\":[\(start),\(data.count)]}")
        }
        let header = Array("{\(members.joined(separator: ","))}".utf8)
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
        try Data(length + header + data).write(to: URL(fileURLWithPath: path))
    }

    static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
}
