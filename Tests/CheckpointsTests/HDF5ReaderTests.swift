import Checkpoints
import Checksums
import Foundation
import Testing

/// Files made by h5py, an independent writer.
@Suite(.enabled(if: Machine.hasH5py, "python3 with h5py writes the files under test"))
struct HDF5ReaderTests {
    static let script = """
        import h5py, numpy as np, sys
        with h5py.File(sys.argv[1], "w") as f:
            x = (np.arange(210) * 0.37 - 20).astype("f4").reshape(5, 6, 7)
            f["plain"] = x
            f.create_dataset("deep/er/gzip", data=x, compression="gzip", chunks=(2, 4, 3), shuffle=True)
            f.create_dataset("deep/checked", data=x, chunks=(5, 3, 7), fletcher32=True)
            f["scalar"] = np.float32(2.5)
            f["double"] = np.array([1 / 3, -1e300])
            f["empty"] = np.zeros((0, 3), "f4")
            for kind in ["i1", "u1", "i2", "u2", "i4", ">i4", "i8"]:
                f["integers/" + kind] = np.array([0, 1, 100], kind)
            f["text"] = "a text"
            f["plain"].attrs.update({
                "variable": "Größe 5", "fixed": np.bytes_("forty-two"), "none": "", "integer": 7, "double": 0.1,
                "float": np.float32(0.5), "integers": np.array([[1, 2], [3, 4]], "i4"), "texts": ["a", "b"]})
        """

    let folder = TemporaryFolder()
    let reader: HDF5Reader

    init() throws {
        let path = folder.file("written by h5py.h5")
        let result = try Machine.runPython(Self.script, [path])
        try #require(result.status == 0, "\(result.output)")
        reader = try HDF5Reader(path: path)
    }

    static let expected = (0..<210).map { Float(Double($0) * 0.37 - 20) }

    @Test(arguments: ["plain", "/plain", "deep/er/gzip", "/deep/checked"])
    func readsEveryLayout(path: String) throws {
        #expect(try reader.shape(of: path) == [5, 6, 7])
        #expect(try reader.floats(path) == Self.expected)
        var buffer = [Float](repeating: .nan, count: 210)
        try buffer.withUnsafeMutableBufferPointer { try reader.read(path, into: $0) }
        #expect(buffer == Self.expected)
    }

    @Test func readsScalarsDoublesAndEmptyDatasets() throws {
        #expect(try reader.shape(of: "scalar") == [])
        #expect(try reader.floats("scalar") == [2.5])
        #expect(try reader.doubles("double") == [1.0 / 3, -1e300])
        #expect(try reader.shape(of: "empty") == [0, 3])
        #expect(try reader.floats("empty") == [])
    }

    @Test(arguments: ["i1", "u1", "i2", "u2", "i4", ">i4", "i8"])
    func readsIntegersOfEveryWidth(kind: String) throws {
        #expect(try reader.integers("integers/\(kind)") == [0, 1, 100])
        #expect(try reader.floats("integers/\(kind)") == [0, 1, 100])
    }

    @Test func readsBytesOnlyFromBytes() throws {
        #expect(try reader.bytes("integers/u1") == [0, 1, 100])
        #expect(throws: HDF5Error.self) { try reader.bytes("integers/i4") }
    }

    @Test func readsAttributes() throws {
        #expect(try reader.stringAttribute("variable", of: "plain") == "Größe 5")
        #expect(try reader.stringAttribute("fixed", of: "/plain") == "forty-two")
        #expect(try reader.stringAttribute("none", of: "plain") == "")
        #expect(try reader.integerAttribute("integer", of: "plain") == 7)
        #expect(try reader.doubleAttribute("double", of: "plain") == 0.1)
        #expect(try reader.doubleAttribute("float", of: "plain") == 0.5)
        #expect(try reader.integersAttribute("integers", of: "plain") == [1, 2, 3, 4])
        #expect(
            try reader.attributeNames(of: "plain")
                == ["double", "fixed", "float", "integer", "integers", "none", "texts", "variable"])
        #expect(try reader.attributeKind("fixed", of: "plain") == .string)
    }

    @Test func listsChildrenSorted() throws {
        #expect(
            try reader.children(of: "/")
                == ["deep", "double", "empty", "integers", "plain", "scalar", "text"])
        #expect(try reader.children(of: "deep") == ["checked", "er"])
        #expect(try reader.isDataset("deep/er/gzip"))
        #expect(try !reader.isDataset("deep/er"))
        #expect(reader.contains("deep/er/gzip") && reader.contains("/") && !reader.contains("deep/no/gzip"))
        #expect(!reader.contains("plain/below"))
    }

    @Test func errorsNameFileAndObject() throws {
        func message(_ work: () throws -> Void) -> String {
            do { try work() } catch { return "\(error)" }
            return "nothing thrown"
        }
        for text in [
            message { _ = try reader.floats("no/such") },
            message { _ = try reader.floats("deep") },
            message { _ = try reader.floats("text") },
            message { _ = try reader.integers("plain") },
            message { _ = try reader.stringAttribute("absent", of: "plain") },
            message { _ = try reader.stringAttribute("integer", of: "plain") },
            message { _ = try reader.stringAttribute("texts", of: "plain") },
            message { _ = try reader.integerAttribute("integers", of: "plain") },
            message { _ = try reader.children(of: "plain") },
        ] {
            #expect(text.hasPrefix(reader.file + ": ") && !text.contains("\n"), "\(text)")
        }
    }

    @Test func refusesWhatIsNoHDF5File() throws {
        let text = folder.file("text.h5")
        try Data("no HDF5 in here".utf8).write(to: URL(fileURLWithPath: text))
        let empty = folder.file("empty.h5")
        try Data().write(to: URL(fileURLWithPath: empty))
        for path in [text, empty, folder.file("absent.h5"), folder.path] {
            #expect(throws: HDF5Error.self) { try HDF5Reader(path: path) }
        }
    }
}

/// Every dataset of the golden-value files, compared with what h5py reads.
@Suite(.enabled(if: Machine.fixtures != nil && Machine.hasH5py, "needs the golden-value folder and python3 with h5py"))
struct HDF5ReaderFixtureTests {
    static let script = """
        import h5py, hashlib, sys
        with h5py.File(sys.argv[1]) as f:
            def visit(name, item):
                if not isinstance(item, h5py.Dataset): return
                data = item[()].astype({"f": "<f4", "i": "<i8", "u": "<u1"}[item.dtype.kind])
                print(f"{name}\\t{list(item.shape)}\\t{item.dtype.kind}\\t{hashlib.sha256(data.tobytes()).hexdigest()}")
            f.visititems(visit)
            def config(group):
                if "config" in group: print(f"{group.name}\\tconfig\\tc\\t" + hashlib.sha256(group["config"].attrs["json"]).hexdigest())
            config(f)
            for group in f.values():
                if isinstance(group, h5py.Group): config(group)
        """

    @Test func readsWhatH5pyReads() throws {
        let folder = try #require(Machine.fixtures)
        var compared = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where name.hasSuffix(".h5") {
            let path = folder + "/" + name
            let listing = try Machine.runPython(Self.script, [path])
            try #require(listing.status == 0, "\(listing.output)")
            let reader = try HDF5Reader(path: path)
            for line in listing.output.split(separator: "\n") {
                let fields = line.split(separator: "\t").map(String.init)
                let digest: String
                switch fields[2] {
                case "c": digest = SHA256.digest(of: try reader.stringAttribute("json", of: fields[0] + "/config"))
                case "f": digest = try reader.floats(fields[0]).withUnsafeBytes { SHA256.digest(of: $0) }
                case "i": digest = try reader.integers(fields[0]).withUnsafeBytes { SHA256.digest(of: $0) }
                default: digest = try reader.bytes(fields[0]).withUnsafeBytes { SHA256.digest(of: $0) }
                }
                if fields[2] != "c" { #expect("\(try reader.shape(of: fields[0]))" == fields[1], "\(name) \(fields[0])") }
                #expect(digest == fields[3], "\(name) \(fields[0])")
                compared += 1
            }
        }
        #expect(compared > 0)
    }
}
