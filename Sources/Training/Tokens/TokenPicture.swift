import ImageData
import MergeVQ
import NeuralNet
import TensorCore

/// Records of a file of tokens made visible by the tokenizer that they come from.
public enum TokenPicture {
    /// A row for every image, spread evenly over the file: the image as it was encoded, then for every record of it the image that its tokens
    /// decode to, and the raster cells in the colours of their tokens.
    ///
    /// - Parameters:
    ///   - rows: at most so many.
    ///   - folder: the images that the tokens were made of.
    /// - Throws: `TrainingError.otherTokenizer` if the tokens are another tokenizer's, `TokenFileError`, `ImageError`.
    public static func compose(_ file: TokenFile, rows: Int, tokenizer checkpoint: TokenizerCheckpoint, folder: ImageFolder, pool: ThreadPool) throws -> RGBImage {
        guard checkpoint.weightsDigest == file.header.tokenizerDigest else {
            throw TrainingError.otherTokenizer(file: file.path, stored: file.header.tokenizerDigest, given: checkpoint.weightsDigest)
        }
        precondition(rows >= 1 && folder.count == file.header.images, "\(rows) rows of a folder of \(folder.count) images")
        let perSighting = file.header.recordsPerView
        let sightings = file.count / perSighting
        let chosen = (0..<min(rows, sightings)).map { $0 * sightings / min(rows, sightings) }
        let size = checkpoint.configuration.model.imageSize
        let transform = ImageTransform(size: size, purpose: .validation)
        let pictures = try chosen.flatMap { sighting in
            let records = try (0..<perSighting).map { try file.record(sighting * perSighting + $0) }
            var original = transform.square(of: try folder.image(of: records[0].image), step: 0, sample: records[0].image)
            if records[0].view == 1 { original = original.mirrored }
            return [original]
                + records.flatMap { [decoded($0, checkpoint, pool: pool), ownerMap($0, grid: file.header.grid, size: size)] }
        }
        let factor = max(1, 192 / size)
        return ImageGrid.compose(pictures.map { $0.enlarged(by: factor) }, columns: 1 + 2 * perSighting)
    }

    /// The image that a record's tokens decode to.
    static func decoded(_ record: TokenRecord, _ checkpoint: TokenizerCheckpoint, pool: ThreadPool) -> RGBImage {
        let tokenizer = checkpoint.tokenizer
        let graph = Graph(weights: checkpoint.weights, pool: pool)
        let z = tokenizer.quantizer.codes(of: record.codes.map { Int32(bitPattern: $0) })
            .reshaped([1, record.kept, tokenizer.configuration.encoder.bits])
        let image = tokenizer.decode(graph.constant(z), owners: record.owners.map { Int32($0) }).value
        let size = tokenizer.configuration.imageSize
        return image.withElements { ImageTransform.image(from: UnsafeBufferPointer($0), width: size, height: size) }
    }

    private static func ownerMap(_ record: TokenRecord, grid: Int, size: Int) -> RGBImage {
        OwnerMap.picture(owners: record.owners.map(Int.init), rows: grid, columns: grid, tokens: record.kept, width: size, height: size)
    }
}

extension RGBImage {
    /// Left and right exchanged.
    fileprivate var mirrored: RGBImage {
        var result = self
        for y in 0..<height {
            for x in 0..<width { result[x, y] = self[width - 1 - x, y] }
        }
        return result
    }
}
