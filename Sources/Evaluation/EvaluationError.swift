/// What makes an evaluation pointless.
public enum EvaluationError: Error, Equatable, CustomStringConvertible {
    /// An image has pixels that are not numbers; `image` counts from 0 within its batch.
    case notFinite(image: Int)

    public var description: String {
        switch self {
        case .notFinite(let image):
            "image \(image) of the batch has pixels that are not finite numbers: the weights that made it are unusable; take an earlier checkpoint"
        }
    }
}
