import Generators

/// The least time that a step of generation can take by what it must read and multiply: the blocks' matrices at the speed of memory or of large
/// products, whichever takes longer, and then the caches at the speed of memory.
struct DecodingBound {
    let configuration: GeneratorConfiguration
    /// Bytes a second.
    let bandwidth: Double
    /// Multiplications and additions a second.
    let productRate: Double

    /// Multiply-adds of a block for one token, without attention.
    private var block: Double {
        let (c, width) = (configuration, Double(configuration.width))
        return width * width * 2 + 2 * width * Double(c.keyValueHeads * c.headWidth) + 3 * width * Double(c.hidden)
    }

    private var heads: Double { Double(configuration.width * (configuration.preCodes + configuration.postCodes)) }

    private func dense(_ multiplyAdds: Double, rows: Int) -> Double {
        max(4 * multiplyAdds / bandwidth, 2 * multiplyAdds * Double(rows) / productRate)
    }

    /// Of the blocks over the sequence.
    /// - Parameters:
    ///   - rows: new tokens of all sequences.
    ///   - entries: cache entries that are read, of all sequences.
    func reading(rows: Int, entries: Int) -> Double {
        let c = configuration
        let entry = 2 * 4 * c.keyValueHeads * c.headWidth * c.layers
        return dense(Double(c.layers) * block, rows: rows) + Double(entry * entries) / bandwidth
    }

    /// Of the blocks over the parts of codes, and the heads.
    func drawing(rows: Int) -> Double { dense(2 * Double(configuration.intraLayers) * block + heads, rows: rows) }
}
