import Checkpoints
import Foundation
import TensorCore
import Testing
import Training

/// Files of tokens: what is written is what is read, and nothing else is.
@Suite struct TokenFileTests {
    private typealias Samples = TokenFileSamples

    @Test func readsBackWhatWasWritten() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/tokens.h5"
            try Samples.write(path)
            let file = try TokenFile(path: path)
            #expect(file.header == Samples.header && file.count == 12)
            #expect(file.header.cells == 16 && file.header.classes == 3 && file.header.records == 12)
            for id in 0..<12 {
                let record = try file.record(id)
                #expect(try record == Samples.record(id))
                #expect(try TokenRecord(bytes: file.bytes(of: id)) == record)
            }
            #expect(throws: TokenFileError.noRecord(file: path, record: 12, count: 12)) { try file.record(12) }
            #expect(throws: TokenFileError.noRecord(file: path, record: -1, count: 12)) { try file.record(-1) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["tokens.h5"], "no left-overs")
            let tokenizer = try file.header.tokenizer(of: path)
            #expect(tokenizer == RunConfiguration().tokenizer)
        }
    }

    @Test func equalTokensGiveEqualBytesAndOthersAnotherFingerprint() throws {
        try withTemporaryFolder { folder in
            let paths = ["a.h5", "b.h5", "c.h5"].map { "\(folder)/\($0)" }
            try Samples.write(paths[0])
            try Samples.write(paths[1])
            var other = Samples.header
            other.seed += 1
            try Samples.write(paths[2], header: other)
            #expect(try fileDigest(paths[0]) == fileDigest(paths[1]))
            let fingerprints = try paths.map { try TokenFile(path: $0).fingerprint }
            #expect(fingerprints[0] == fingerprints[1] && fingerprints[0] != fingerprints[2])
            // One code of one record.
            try TokenFileWriter.publish(paths[1], header: Samples.header) { id in
                let record = try Samples.record(id)
                guard id == 7 else { return record }
                return try TokenRecord(
                    image: record.image, view: record.view, label: record.label, codes: [record.codes[0] ^ 1] + record.codes.dropFirst(),
                    owners: record.owners)
            }
            #expect(try TokenFile(path: paths[1]).fingerprint != fingerprints[0])
        }
    }

    /// More rows than a chunk of the file holds.
    @Test func keepsRecordsOfSeveralChunks() throws {
        try withTemporaryFolder { folder in
            var header = Samples.header
            (header.images, header.views, header.grid, header.keptCounts) = (1200, 1, 32, [900])
            try Samples.write(folder + "/tokens.h5", header: header)
            let file = try TokenFile(path: folder + "/tokens.h5")
            #expect(file.count == 1200)
            for id in [0, 1, 599, 1198, 1199] {
                let isEqual = try file.record(id) == Samples.record(id, header: header)
                #expect(isEqual, "record \(id)")
            }
        }
    }

    /// Every flip is refused in one line, or changes nothing that is read: the file has a few bytes that mean nothing.
    @Test func noDamageIsReadAsTokens() throws {
        try withTemporaryFolder { folder in
            let (path, copy) = (folder + "/tokens.h5", folder + "/copy.h5")
            try Samples.write(path)
            let (bytes, original) = (try Data(contentsOf: URL(fileURLWithPath: path)), try TokenFile(path: path))
            let random = Philox(seed: 9, domain: "damaged tokens")
            var refused = 0
            func expectSafe(_ data: Data, _ what: String) throws {
                try data.write(to: URL(fileURLWithPath: copy))
                do {
                    let file = try TokenFile(path: copy)
                    #expect(file.fingerprint == original.fingerprint && file.header == original.header, "\(what)")
                    let isEqual = try (0..<12).allSatisfy { try file.record($0) == original.record($0) }
                    #expect(isEqual, "\(what)")
                } catch let error as TokenFileError {
                    refused += 1
                    let text = "\(error)"
                    #expect(text.hasPrefix(copy) && !text.contains("\n") && error.exitCode == 65, "\(what): \(text)")
                }
            }
            for trial in 0..<600 {
                let bit = random.integer(below: bytes.count * 8, sample: trial)
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                try expectSafe(damaged, "bit \(bit)")
            }
            #expect(refused > 300, "\(refused) of 600 flips refused")
            refused = 0
            let lengths = Array(stride(from: 0, to: bytes.count, by: 211))
            for length in lengths { try expectSafe(bytes.prefix(length), "cut to \(length) bytes") }
            #expect(refused == lengths.count, "every cut is noticed")
        }
    }

    @Test func refusesWhatIsNoFileOfTokens() throws {
        try withTemporaryFolder { folder in
            func error(_ path: String) -> TokenFileError? {
                do {
                    _ = try TokenFile(path: path)
                    return nil
                } catch { return error as? TokenFileError }
            }
            #expect(error(folder + "/none.h5") == .notFound(file: folder + "/none.h5"))
            try "text".write(toFile: folder + "/text.h5", atomically: true, encoding: .utf8)
            let writer = try HDF5Writer(creating: folder + "/other.h5")
            try writer.setAttribute("format", .string("mergevq-checkpoint"), of: "/")
            try writer.close()
            for name in ["text.h5", "other.h5"] {
                guard case .notATokenFile(let file, _) = error("\(folder)/\(name)") else {
                    Issue.record("\(name) was not refused as such")
                    continue
                }
                #expect(file == "\(folder)/\(name)" && !TokenFile.isTokenFile(file))
            }
            try Samples.write(folder + "/tokens.h5")
            #expect(TokenFile.isTokenFile(folder + "/tokens.h5"))
        }
    }

    /// A file whose digests are right but whose records no tokenizer makes.
    @Test func aRecordIsCheckedWhenItIsAskedFor() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/tokens.h5"
            let good = try Samples.record(0)
            let bad: [(problem: TokenRecordError, record: TokenRecord)] = [
                (.labelOutside(label: 3, classes: 3), try TokenRecord(image: 0, view: 0, label: 3, codes: good.codes, owners: good.owners)),
                (.imageOutside(image: 3, count: 3), try TokenRecord(image: 3, view: 0, label: 0, codes: good.codes, owners: good.owners)),
                (.viewOutside(view: 2, views: 2), try TokenRecord(image: 0, view: 2, label: 0, codes: good.codes, owners: good.owners)),
                (
                    .codeOutside(slot: 1, code: 1024, bits: 10),
                    try TokenRecord(image: 0, view: 0, label: 0, codes: [0, 1024, 1, 2], owners: good.owners)
                ),
                (.otherKept(3), try TokenRecord(image: 0, view: 0, label: 0, codes: [0, 1, 2], owners: good.owners.map { min($0, 2) })),
            ]
            for (problem, record) in bad {
                try TokenFileWriter.publish(path, header: Samples.header) { try $0 == 5 ? record : Samples.record($0) }
                let file = try TokenFile(path: path)
                #expect(throws: TokenFileError.badRecord(file: path, record: 5, problem: problem)) { try file.record(5) }
                #expect(throws: TokenFileError.badRecord(file: path, record: 5, problem: problem)) { try file.bytes(of: 5) }
                #expect(try file.record(4) == Samples.record(4))
            }
        }
    }

    /// What docs/token-format.md says, run as it stands there.
    @Test(.enabled(if: SystemTool.pythonWithH5py != nil, "no Python with h5py: install python3-h5py, or set MVQ_PYTHON"))
    func pythonReadsItAsTheDocumentSays() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/tokens.h5"
            try Samples.write(path)
            let script = try DocumentedScript.python(in: "docs/token-format.md") + """

                print(file.attrs["content_sha256"].decode(), classes[1])
                for r in range(len(kept)):
                    print(label(r), kept[r], *codes(r), *cells(r))
                """
            let (exitCode, output) = try SystemTool.run(try #require(SystemTool.pythonWithH5py), ["-c", script, path])
            let lines = output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            try #require(exitCode == 0 && lines.count == 13, "\(output)")
            let file = try TokenFile(path: path)
            #expect(lines[0] == [file.fingerprint, "größer"])
            for id in 0..<12 {
                let record = try file.record(id)
                let numbers = [record.label, record.kept] + (record.codes + record.expandedCodes).map { Int($0) }
                #expect(lines[id + 1] == numbers.map(String.init), "record \(id)")
            }
        }
    }
}
