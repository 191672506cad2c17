import NeuralNet

/// How many tokens the student's view loses, which has fewer than the image (spec 6.4).
public enum ViewMerging: String, Sendable, CaseIterable {
    /// The same share as of the image: m′ = round(m · L′/L).
    case scaled
    /// The image's own counts, cut where the view runs out of tokens: what the official code does. A view of 224 pixels beside an image of 256
    /// loses more than the image.
    case unscaled
}

extension MergeSchedule {
    /// Merge counts of a view of `length` tokens, for an image that keeps `kept` of `fullLength` (spec 6.4). What a layer cannot merge is left
    /// out.
    public func viewMergeCounts(length: Int, fullLength: Int, kept: Int, layers: Int, merging: ViewMerging) -> [Int] {
        let counts: [Int]
        switch merging {
        case .scaled:
            let merged = (2 * (fullLength - kept) * length + fullLength) / (2 * fullLength)
            counts = mergeCounts(length: length, kept: max(length - merged, 1), layers: layers)
        case .unscaled:
            counts = mergeCounts(length: fullLength, kept: kept, layers: layers)
        }
        return MergeSchedule.capped(counts, length: length)
    }
}

extension Tokenizer {
    /// The student's feature u `[B, outputs]`: class token and alignment head after a second pass of the same encoder over another view of the
    /// images, `[B, H′, W′, 3]` in [−1, 1] (spec 6.2). The view has tokens and owners of its own, which end here; those of the first pass are
    /// values that nothing changes.
    ///
    /// - Parameter kept: what the first pass keeps of the image.
    public func alignmentFeature(_ views: Variable, kept: Int, merging: ViewMerging = .scaled) -> Variable {
        guard let head = encoder.alignmentHead else { preconditionFailure("an encoder without alignment head has no feature to align") }
        let downsampling = configuration.encoder.stem.downsampling
        precondition(
            views.shape[1] % downsampling == 0 && views.shape[2] % downsampling == 0,
            "views of shape \(views.shape) for tokens of \(downsampling)x\(downsampling) pixels")
        let counts = configuration.schedule.viewMergeCounts(
            length: views.shape[1] / downsampling * (views.shape[2] / downsampling), fullLength: configuration.fullTokens, kept: kept,
            layers: configuration.encoder.blocks, merging: merging)
        return head(encoder.classToken(of: encoder(views, mergeCounts: counts)))
    }
}
