extension GeneratorConfiguration {
    /// The paper's generator: LlamaGen-L's geometry with two more blocks over the parts of a code (spec 1.1).
    public static let large = GeneratorConfiguration(layers: 24, intraLayers: 2, width: 1024, heads: 16)

    /// For runs on a few processors.
    public static let small = GeneratorConfiguration(layers: 6, intraLayers: 1, width: 384, heads: 6)

    /// For tests: codes of 6 bits on a grid of 4 × 4, 10 classes.
    public static let tiny = GeneratorConfiguration(
        layers: 2, intraLayers: 1, width: 64, heads: 4, hiddenMultiple: 16, preBits: 3, postBits: 3, classes: 10, grid: 4)
}
