import NeuralNet
import TensorCore

/// The sizes of a vision transformer of the DINOv2 kind (spec 6.1).
public struct VisionTransformerConfiguration: Sendable, Equatable {
    /// Side of a patch in pixels.
    public var patchSize: Int
    /// Token width D, which is the feature's.
    public var width: Int
    public var blocks: Int
    public var heads: Int
    /// Positions per side of the learned table: patches per side of the images that it was learned on.
    public var grid: Int
    /// How the table is brought to other grids.
    public var positions: PositionResampling

    public init(patchSize: Int, width: Int, blocks: Int, heads: Int, grid: Int, positions: PositionResampling = .offset01) {
        self.patchSize = patchSize
        self.width = width
        self.blocks = blocks
        self.heads = heads
        self.grid = grid
        self.positions = positions
    }

    /// facebook/dinov2-base, the paper's teacher.
    public static let dinov2Base = VisionTransformerConfiguration(patchSize: 14, width: 768, blocks: 12, heads: 12, grid: 37)
    /// facebook/dinov2-small.
    public static let dinov2Small = VisionTransformerConfiguration(patchSize: 14, width: 384, blocks: 12, heads: 6, grid: 37)
}

/// The alignment teacher θ′: a frozen vision transformer whose class token the student's shall agree with (eq. 10, spec 6.1).
///
/// It takes and gives tensors, not variables: nothing is recorded, and its weights are a vector of its own, apart from those that are trained.
/// Parameters carry the names of Hugging Face's `Dinov2Model`, of which `embeddings.mask_token` is not used here.
///
/// ```swift
/// let (teacher, layout) = VisionTransformer.build(.dinov2Base)
/// let features = teacher(views, weights: weights, pool: pool)
/// ```
public struct VisionTransformer: Sendable {
    public let configuration: VisionTransformerConfiguration
    let classToken: Parameter
    let positions: Parameter
    let projection: Convolution2D
    let layers: [VisionTransformerLayer]
    let norm: LayerNorm

    /// Registers `embeddings.…`, `encoder.layer.…` and `layernorm.…`.
    public init(_ scope: ParameterScope, _ configuration: VisionTransformerConfiguration) {
        let c = configuration
        self.configuration = c
        let embeddings = scope / "embeddings"
        classToken = embeddings.parameter("cls_token", [1, 1, c.width], transformerInitialiser)
        positions = embeddings.parameter("position_embeddings", [1, 1 + c.grid * c.grid, c.width], transformerInitialiser)
        projection = Convolution2D(
            embeddings / "patch_embeddings" / "projection", inputs: 3, outputs: c.width, kernel: c.patchSize, stride: c.patchSize, padding: 0,
            bias: true)
        layers = (0..<c.blocks).map { VisionTransformerLayer(scope / "encoder" / "layer" / $0, width: c.width, heads: c.heads) }
        norm = LayerNorm(scope / "layernorm", width: c.width, epsilon: VisionTransformerLayer.epsilon)
    }

    /// A teacher and the layout of its weights, whose names begin with `teacher.`.
    public static func build(_ configuration: VisionTransformerConfiguration) -> (VisionTransformer, ParameterLayout) {
        ParameterLayout.build { VisionTransformer($0 / "teacher", configuration) }
    }

    /// The class token after the final norm, `[B, D]`, of images `[B, H, W, 3]` with ImageNet's mean and deviation; the sides must be multiples
    /// of the patch.
    public func callAsFunction(_ images: Tensor, weights: Tensor, pool: ThreadPool) -> Tensor {
        let tokens = tokens(images, in: Graph(weights: weights, pool: pool))
        return norm(tokens.rows(from: 0, count: 1)).value.reshaped([images.shape[0], configuration.width])
    }

    /// All tokens after the final norm, `[B, 1 + h·w, D]`, class token first.
    ///
    /// - Parameter observe: is given the tokens before the first block (number 0) and after every block (1, 2, …).
    package func hiddenState(
        _ images: Tensor, weights: Tensor, pool: ThreadPool, observe: (_ number: Int, _ tokens: Tensor) -> Void
    ) -> Tensor {
        norm(tokens(images, in: Graph(weights: weights, pool: pool), observe: observe)).value
    }

    /// The positions of a grid of `rows` × `columns` patches, `[1 + rows · columns, D]`, class token first.
    package func positions(rows: Int, columns: Int, of graph: Graph) -> Tensor {
        configuration.positions.resampled(graph[positions].value, grid: configuration.grid, rows: rows, columns: columns)
    }

    private func tokens(_ images: Tensor, in graph: Graph, observe: (Int, Tensor) -> Void = { _, _ in }) -> Variable {
        let (batch, patch) = (images.shape[0], configuration.patchSize)
        precondition(
            images.shape[1] % patch == 0 && images.shape[2] % patch == 0, "images of shape \(images.shape) do not divide into patches of \(patch)")
        let map = projection(graph.constant(images))
        let length = 1 + map.shape[1] * map.shape[2]
        let positions = graph.constant(positions(rows: map.shape[1], columns: map.shape[2], of: graph))
        var x =
            graph[classToken].repeated(batch: batch, rows: 1).followed(by: map.reshaped([batch, length - 1, configuration.width]))
            + positions.repeated(batch: batch, rows: length)
        observe(0, x.value)
        for (number, layer) in layers.enumerated() {
            x = layer(x)
            observe(number + 1, x.value)
        }
        return x
    }
}
