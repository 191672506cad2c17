import Checksums
import Fleet
import MergeVQ
import NeuralNet
import TensorCore

/// A fleet's tokenising: which images a slot holds, and where their records lie in a step's result. A pure function of configuration and number of
/// images, for coordinator and workers.
///
/// A step's result has a place for every record of the step: K, then the codes, then the owners, all as floats, which hold whole numbers up to 2²⁴
/// exactly. A slot fills the places of its own images and leaves zeros elsewhere, so the tree's sum puts the slots side by side without rounding.
struct TokenizeTask: Sendable {
    let tokenizer: Tokenizer
    let plan: TokenizationPlan
    /// Slots of a step.
    let slots: Int
    private let perSlot: Int
    private let cells: Int
    /// Workers need the weights of the encoder alone, which come first.
    let weightsCount: Int

    /// The most bits of a code that a float holds exactly.
    private static let mostBits = 24

    /// - Throws: `ConfigurationError` for settings that the tokenizer cannot follow.
    init(_ configuration: RunConfiguration, images: Int) throws {
        let (tokenizer, layout) = Tokenizer.build(configuration.tokenizer)
        self.tokenizer = tokenizer
        plan = try configuration.tokenizationPlan(images: images)
        (slots, perSlot) = (configuration.tokens.slots, configuration.tokens.imagesPerSlot)
        cells = configuration.tokenizer.fullTokens
        let bits = configuration.tokenizer.encoder.bits
        guard bits <= TokenizeTask.mostBits, plan.mostKept < 1 << TokenizeTask.mostBits else {
            throw ConfigurationError(
                "model.bits \(bits)", "a fleet tokenises with codes of at most \(TokenizeTask.mostBits) bits; use 'mvq tokenize' on one machine")
        }
        weightsCount = layout.parameters.filter { $0.name.hasPrefix("encoder.") }.map { $0.offset + $0.count }.max() ?? layout.count
    }

    /// Images of a step, each seen one way.
    private var perStep: Int { slots * perSlot }
    private var floatsPerRecord: Int { 1 + plan.mostKept + cells }
    /// Floats in a slot's result, and in a step's.
    var resultCount: Int { perStep * plan.recordsPerSighting * floatsPerRecord }
    /// Steps until all images are done.
    var steps: Int { (plan.sightings + perStep - 1) / perStep }
    /// Sightings, and records, after so many steps.
    func sightings(after steps: Int) -> Int { min(steps * perStep, plan.sightings) }
    func records(after steps: Int) -> Int { sightings(after: steps) * plan.recordsPerSighting }
    /// Complete steps in so many records.
    func steps(in records: Int) -> Int { records == plan.records ? steps : records / (perStep * plan.recordsPerSighting) }

    /// The sightings of a step.
    func sightings(step: Int) -> Range<Int> { clamped(step * perStep, perStep) }
    /// The sightings of a slot: fewer, or none, in the last step.
    func sightings(step: Int, slot: Int) -> Range<Int> { clamped(step * perStep + slot * perSlot, perSlot) }

    private func clamped(_ start: Int, _ count: Int) -> Range<Int> {
        min(start, plan.sightings)..<min(start + count, plan.sightings)
    }

    /// The images of a block's slots, each once.
    func images(step: Int, block: SlotBlock) -> [Int] {
        let sightings = sightings(step: step, slot: block.slots.lowerBound).lowerBound..<sightings(step: step, slot: block.slots.upperBound - 1).upperBound
        guard let first = sightings.first, let last = sightings.last else { return [] }
        return Array(plan.image(of: first)...plan.image(of: last))
    }

    /// What coordinator and workers compare.
    func stepPlan(_ step: Int) -> StepPlan {
        let hash = SHA256()
        for sighting in sightings(step: step) {
            hash.update("\(plan.image(of: sighting)) \(plan.view(of: sighting)) \(plan.kept(of: sighting).map(String.init).joined(separator: ","))\n")
        }
        return StepPlan(step: step, epoch: 0, slots: slots, samplesDigest: hash.finish())
    }

    /// Writes a slot's records into their places of `result [resultCount]`, zeros elsewhere.
    func write(_ records: [TokenRecord], step: Int, slot: Int, into result: Tensor) {
        result.fillInPlace(0)
        let first = (sightings(step: step, slot: slot).lowerBound - step * perStep) * plan.recordsPerSighting
        result.withElements { elements in
            for (index, record) in records.enumerated() {
                let place = (first + index) * floatsPerRecord
                elements[place] = Float(record.kept)
                for (slot, code) in record.codes.enumerated() { elements[place + 1 + slot] = Float(code) }
                for (cell, owner) in record.owners.enumerated() { elements[place + 1 + plan.mostKept + cell] = Float(owner) }
            }
        }
    }

    /// The records of a step's sum.
    ///
    /// - Parameter label: of an image.
    /// - Throws: `FleetExit` with exit code 67 if it is not the sum of one result for each slot.
    func records(of sum: Tensor, step: Int, label: (Int) -> Int) throws -> [TokenRecord] {
        let sightings = sightings(step: step)
        return try sum.withElements { elements in
            try sightings.flatMap { sighting in
                try plan.kept(of: sighting).enumerated().map { index, kept in
                    let number = (sighting - sightings.lowerBound) * plan.recordsPerSighting + index
                    let place = number * floatsPerRecord
                    do {
                        guard elements[place] == Float(kept) else { throw TokenRecordError.otherKept(Int(exactly: elements[place]) ?? -1) }
                        return try TokenRecord(
                            image: plan.image(of: sighting), view: plan.view(of: sighting), label: label(plan.image(of: sighting)),
                            codes: (0..<kept).map { try whole(elements[place + 1 + $0], below: 1 << tokenizer.configuration.encoder.bits) },
                            owners: (0..<cells).map { try whole(elements[place + 1 + plan.mostKept + $0], below: kept) })
                    } catch let problem as TokenRecordError {
                        throw FleetExit(
                            exitCode: ExitCode.replayMismatch,
                            text: "step \(step): the result for image \(plan.image(of: sighting)) is no record of tokens: \(problem); a worker computes"
                                + " wrongly: start the same command with --audit-share 1 to find it")
                    }
                }
            }
        }
    }

    private func whole<Number: FixedWidthInteger>(_ value: Float, below bound: Int) throws(TokenRecordError) -> Number {
        guard let number = Int(exactly: value), (0..<bound).contains(number) else { throw .notWhole("\(value)") }
        return Number(number)
    }
}
