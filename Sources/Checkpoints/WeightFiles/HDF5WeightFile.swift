internal import CHDF5
import Foundation

/// An HDF5 file of named arrays, h5py's or one of ours. A dataset's name is its path with dots for slashes, without a leading group `model`:
/// both `/model/encoder.conv_in.weight` and `/encoder/conv_in/weight` are `encoder.conv_in.weight`, `/ema/encoder.conv_in.weight` is
/// `ema.encoder.conv_in.weight`.
package final class HDF5WeightFile: WeightFile {
    package let file: String
    package let entries: [WeightEntry]
    package let metadata: [String: String]
    package var byteCount: Int { reader.byteCount }
    private let reader: HDF5Reader
    private let paths: [String: String]

    /// Opens a file and lists its datasets. Throws `WeightFileError`.
    package init(path: String) throws {
        file = path
        do {
            reader = try HDF5Reader(path: path)
            var entries: [WeightEntry] = []
            var paths: [String: String] = [:]
            for dataset in try HDF5WeightFile.datasets(of: reader) {
                let name = HDF5WeightFile.name(of: dataset)
                guard paths.updateValue(dataset, forKey: name) == nil else {
                    throw WeightFileError(path, "holds two arrays named \(name)", mend: "give a file with one array a name")
                }
                entries.append(WeightEntry(name: name, shape: try reader.shape(of: dataset), type: try reader.elementType(of: dataset)))
            }
            self.entries = entries
            self.paths = paths
            metadata = HDF5WeightFile.metadata(of: reader)
        } catch let error as HDF5Error {
            throw HDF5WeightFile.translated(error, path)
        }
    }

    package func read(
        _ wanted: Set<String>, progress: (Int) -> Void, visit: (WeightEntry, [Float]) throws -> Void
    ) throws -> String {
        let hash = try FileSystem.digest(of: file)
        var bytes = 0
        for entry in entries where wanted.contains(entry.name) {
            guard let path = paths[entry.name] else { continue }
            let values: [Float]
            do {
                values = try reader.floats(path)
            } catch let error as HDF5Error {
                throw HDF5WeightFile.translated(error, file)
            }
            bytes += values.count * MemoryLayout<Float>.size
            progress(min(bytes, byteCount))
            try visit(entry, values)
        }
        progress(byteCount)
        return hash
    }

    private static func translated(_ error: HDF5Error, _ path: String) -> WeightFileError {
        let problem = switch error {
        case .cannotOpen(_, let reason), .cannotWrite(_, _, let reason): "cannot be read as HDF5: \(reason)"
        case .missing(_, let object): "has no \(object)"
        case .damaged(_, let object, let reason): "\(object) is damaged: \(reason)"
        case .unsuitable(_, let object, let reason): "\(object) \(reason)"
        }
        return WeightFileError(path, problem, mend: "use another copy of the file")
    }

    private static func name(of dataset: String) -> String {
        var components = dataset.split(separator: "/")
        if components.count > 1, components[0] == "model" { components.removeFirst() }
        return components.joined(separator: ".")
    }

    /// Paths of all datasets, sorted. A hostile file may hold cycles of groups; those of weights are a few levels deep.
    private static func datasets(of reader: HDF5Reader) throws -> [String] {
        var found: [String] = []
        var pending = [""]
        var visited = 0
        while let path = pending.popLast() {
            visited += 1
            guard path.split(separator: "/").count <= 16, visited <= 100_000 else {
                throw HDF5Error.damaged(file: reader.file, path: path, reason: "groups are nested too deeply")
            }
            if !path.isEmpty, try reader.isDataset(path) {
                found.append(path)
            } else {
                pending += try reader.children(of: path.isEmpty ? "/" : path).map { path + "/" + $0 }
            }
        }
        return found.sorted()
    }

    /// What a checkpoint of ours says about itself, under the names of an exported file's metadata.
    private static func metadata(of reader: HDF5Reader) -> [String: String] {
        guard reader.contains("/state"), let state = try? CheckpointFile.state(of: reader) else { return [:] }
        var metadata = ["mvq_step": String(state.step)]
        metadata["mvq_config"] = state.attributes["config"]?.string
        return metadata
    }
}

extension HDF5Reader {
    /// The element type of a dataset as safetensors spells it; `other` for what is no plain number.
    func elementType(of path: String) throws -> String {
        let object = try open(path)
        guard let type = HDF5Handle(H5Dget_type(object.id)) else { throw damaged(path) }
        let bits = H5Tget_size(type.id) * 8
        return switch H5Tget_class(type.id) {
        case H5T_FLOAT where [16, 32, 64].contains(bits): "F\(bits)"
        case H5T_INTEGER: (H5Tget_sign(type.id) == H5T_SGN_NONE ? "U" : "I") + "\(bits)"
        default: "other"
        }
    }
}
