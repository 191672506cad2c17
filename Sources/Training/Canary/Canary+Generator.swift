import Fleet
import Generators
import TensorCore

extension Canary {
    /// Runs a run's generator over a made-up record (`addPass`); one block of each kind, because all of them do the same arithmetic.
    mutating func addGenerator(_ configuration: RunConfiguration, pool: ThreadPool) {
        var configuration = configuration
        (configuration.generator.layers, configuration.generator.intraLayers) = (1, 1)
        let model = GeneratorModel(configuration)
        let cells = model.generator.configuration.cells
        let kept = configuration.generator.kind == .mergear ? configuration.generator.leastKept ?? cells : cells
        addPass(of: model, bits: configuration.generator.preBits + configuration.generator.postBits, kept: kept, cells: cells, pool: pool)
    }

    /// Runs a run's source recovery over a made-up record, of which no generator made anything.
    mutating func addRecovery(_ configuration: RunConfiguration, pool: ThreadPool) {
        let cells = (configuration.recovery.grid ?? 16) * (configuration.recovery.grid ?? 16)
        addPass(of: RecoveryModel(configuration), bits: configuration.recovery.bits ?? 18, kept: (cells + 1) / 2, cells: cells, pool: pool)
    }

    private mutating func addPass(of model: some TokenModel, bits: Int, kept: Int, cells: Int, pool: ThreadPool) {
        let codes = (0..<kept).map { UInt32(truncatingIfNeeded: $0 &* 0x9e37_79b9) >> 7 & (1 << UInt32(bits) - 1) }
        guard let record = try? TokenRecord(image: 0, view: 0, label: 0, codes: codes, owners: (0..<cells).map { UInt16(min($0, kept - 1)) }) else {
            preconditionFailure("no record of \(kept) tokens for \(cells) cells")
        }
        addPass(model.layout, termNames: model.termNames, pool: pool) { model.loss(of: [record], samples: [0], step: 0, in: $0) }
    }
}
