import Checkpoints
import Foundation
import TensorCore
import Testing

/// Numbers that a careless conversion would change: signed zeros, NaNs with payloads, denormals, infinities, extremes.
let awkwardNumbers: [Float] = [
    0, -0, .infinity, -.infinity, .nan, .signalingNaN, Float(bitPattern: 0x7fc1_2345), Float(bitPattern: 0xff80_0001),
    .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude, 1.0000001,
]

struct HDF5WriterTests {
    let folder = TemporaryFolder()

    func write(_ path: String, shape: [Int], values: [Float]) throws -> HDF5Reader {
        let file = folder.file("written.h5")
        let writer = try HDF5Writer(creating: file)
        try values.withUnsafeBufferPointer { try writer.write(path, shape: shape, values: $0) }
        try writer.close()
        return try HDF5Reader(path: file)
    }

    @Test(arguments: [[12], [1, 12], [3, 2, 2], [12, 1, 1, 1]])
    func keepsEveryBit(shape: [Int]) throws {
        let reader = try write("/a/b.weight", shape: shape, values: awkwardNumbers)
        #expect(try reader.shape(of: "/a/b.weight") == shape)
        #expect(bits(try reader.floats("/a/b.weight")) == bits(awkwardNumbers))
    }

    @Test(arguments: [[], [1], [1, 1, 1]])
    func keepsSingleNumbers(shape: [Int]) throws {
        let reader = try write("/a/scalar", shape: shape, values: [-0.0])
        #expect(try reader.shape(of: "/a/scalar") == shape)
        #expect(bits(try reader.floats("/a/scalar")) == bits([-0.0]))
    }

    @Test(arguments: [[0], [0, 3], [3, 0]])
    func keepsEmptyArrays(shape: [Int]) throws {
        let reader = try write("/a/empty", shape: shape, values: [])
        #expect(try reader.shape(of: "/a/empty") == shape)
        #expect(try reader.floats("/a/empty") == [])
    }

    /// Three chunks with a remainder in the leading dimension, and one row larger than a chunk.
    @Test(arguments: [[2_500_001], [2501, 1000], [2, 1_200_000]])
    func keepsArraysOfSeveralChunks(shape: [Int]) throws {
        let random = Philox(seed: 1, domain: "several chunks")
        let values = (0..<shape.reduce(1, *)).map { Float(bitPattern: UInt32(truncatingIfNeeded: random.bits(draw: $0))) }
        let reader = try write("/a/big", shape: shape, values: values)
        #expect(bits(try reader.floats("/a/big")) == bits(values))
    }

    @Test func keepsAttributes() throws {
        let file = folder.file("attributes.h5")
        let long = String(repeating: "training:\n  größe: 5\n", count: 20_000)
        let values: [String: AttributeValue] = [
            "smallest": .integer(.min), "largest": .integer(.max), "tenth": 0.1, "negative zero": .double(-0.0),
            "text": "Größe 😀", "empty": "", "padded": "ends in a space ", "long": .string(long),
            "more": 1, "than": 2, "eight": 3, "attributes": 4,
        ]
        let writer = try HDF5Writer(creating: file)
        try writer.createGroup("/state")
        for (name, value) in values { try writer.setAttribute(name, value, of: "/state") }
        try writer.close()
        let reader = try HDF5Reader(path: file)
        #expect(try reader.attributeNames(of: "state") == values.keys.sorted())
        for (name, value) in values {
            switch value {
            case .integer(let number): #expect(try reader.integerAttribute(name, of: "state") == number)
            case .double(let number):
                #expect(try reader.doubleAttribute(name, of: "state").bitPattern == number.bitPattern)
            case .string(let text): #expect(try reader.stringAttribute(name, of: "state") == text)
            }
        }
    }

    @Test func refusesTextsWithNUL() throws {
        let writer = try HDF5Writer(creating: folder.file("nul.h5"))
        #expect(throws: HDF5Error.self) { try writer.setAttribute("text", "a\0b", of: "/") }
    }

    @Test func reportsUnwritablePlaces() throws {
        #expect(throws: HDF5Error.self) { try HDF5Writer(creating: folder.file("no/such/folder.h5")) }
        #expect(throws: HDF5Error.self) { try HDF5Writer(creating: folder.path) }
        let writer = try HDF5Writer(creating: folder.file("twice.h5"))
        let values: [Float] = [1, 2]
        try values.withUnsafeBufferPointer { try writer.write("/a/x", shape: [2], values: $0) }
        #expect(throws: HDF5Error.self) {
            try values.withUnsafeBufferPointer { try writer.write("/a/x", shape: [2], values: $0) }
        }
    }

    @Test(.enabled(if: Machine.hasH5dump, "h5dump is not installed"))
    func everyDatasetIsChunkedAndChecked() throws {
        let reader = try write("/model/w", shape: [2501, 1000], values: [Float](repeating: 1, count: 2_501_000))
        let listing = try runChild("/usr/bin/h5dump", ["-H", "-p", reader.file])
        #expect(listing.status == 0)
        #expect(listing.output.contains("CHECKSUM FLETCHER32") && listing.output.contains("H5T_IEEE_F32LE"))
        #expect(listing.output.contains("CHUNKED ( 834, 1000 )"), "\(listing.output)")
    }
}
