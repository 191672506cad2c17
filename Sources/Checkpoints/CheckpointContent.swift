/// What becomes the file of a checkpoint. Arrays come one at a time, when they are written: a state whose numbers lie in another order in memory
/// needs room for one array in the order of the file, not for all of them.
///
/// Everything is asked for on the thread that writes, perhaps several times, and gives the same each time.
public protocol CheckpointContent: Sendable {
    /// Number of finished training steps.
    var step: Int { get }
    /// Attributes of `/state` (`step` is added by itself).
    var attributes: [String: AttributeValue] { get }
    /// The arrays, in any order; their paths are distinct.
    var deferredArrays: [DeferredArray] { get }
}

/// One float32 array of a checkpoint, its numbers still to be made.
public struct DeferredArray: Sendable {
    /// `CheckpointArray.path`
    public let path: String
    /// Dimensions, slowest first; `[]` for a scalar.
    public let shape: [Int]
    private let values: @Sendable () -> [Float]

    /// - Parameter values: gives the numbers, row-major, as many as the shape has.
    public init(path: String, shape: [Int], values: @escaping @Sendable () -> [Float]) {
        self.path = path
        self.shape = shape
        self.values = values
    }

    /// The array with its numbers.
    public var array: CheckpointArray { CheckpointArray(path: path, shape: shape, values: values()) }

    /// Its size in bytes, without making it.
    var bytes: Int { shape.reduce(MemoryLayout<Float>.size, *) }
}

extension CheckpointContent {
    /// The bytes of all numbers.
    public var bytes: Int { deferredArrays.reduce(0) { $0 + $1.bytes } }
}

extension Checkpoint: CheckpointContent {
    public var deferredArrays: [DeferredArray] {
        arrays.map { array in DeferredArray(path: array.path, shape: array.shape) { array.values } }
    }

    /// All of a content in memory at once.
    public init(_ content: some CheckpointContent) {
        self.init(step: content.step, attributes: content.attributes, arrays: content.deferredArrays.map(\.array))
    }
}
