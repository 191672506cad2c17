import Foundation
import MergeVQ
import TestKit
import Testing
import Training

/// Reading configurations: what is accepted means what it says, what is not is refused in one line that names place, key and mend.
@Suite struct RunConfigurationTests {
    /// A complaint about a text, which must be one line.
    private func complaint(
        _ yaml: String, set overrides: [(String, String)] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) -> String {
        do {
            _ = try RunConfiguration(yaml: yaml, file: "run.yaml", overrides: overrides.map { (key: $0.0, value: $0.1) })
            Issue.record("accepted: \(yaml) \(overrides)", sourceLocation: sourceLocation)
            return ""
        } catch {
            let text = "\(error)"
            #expect(error is ConfigurationError && !text.contains("\n"), "\(text)", sourceLocation: sourceLocation)
            return text
        }
    }

    @Test(arguments: [
        ("sed: 2\n", "run.yaml:1: unknown key 'sed'; did you mean 'seed'?"),
        ("seed: 2\ntraning:\n  steps: 3\n", "run.yaml:2: unknown key 'traning'; did you mean 'training'?"),
        ("seed: 2\n\ntraining:\n  slots: 4\n  step: 3\n", "run.yaml:5: unknown key 'training.step'; did you mean 'training.steps'?"),
        (
            "model:\n  source_recovery:\n    width: 32\n    head: 2\n",
            "run.yaml:4: unknown key 'model.source_recovery.head'; did you mean 'model.source_recovery.heads'?"
        ),
        // In the wrong section, and out of any.
        ("optimizer:\n  global_batch: 32\n", "run.yaml:2: unknown key 'optimizer.global_batch'; did you mean 'training.global_batch'?"),
        ("steps: 3\n", "run.yaml:1: unknown key 'steps'; did you mean 'training.steps'?"),
        ("discriminator_loss_type: hinge\n", "run.yaml:1: unknown key 'discriminator_loss_type'; see configs/ for the known keys")
    ])
    func anUnknownKeyNamesItsLineAndTheNearestKey(yaml: String, expected: String) {
        #expect(complaint(yaml) == expected)
    }

    @Test func anUnknownOverrideNamesTheNearestKey() {
        #expect(
            complaint("seed: 1", set: [("training.stepz", "3")])
                == "--set training.stepz=3: unknown key 'training.stepz'; did you mean 'training.steps'?")
        #expect(complaint("seed: 1", set: [("training", "3")]).hasPrefix("--set training=3: 'training' holds keys of its own"))
        #expect(complaint("seed: 1", set: [("training.", "3")]).hasPrefix("--set training.=3: unknown key"))
    }

    @Test(arguments: [
        ("training:\n  steps: many\n", "run.yaml:2: training.steps must be a whole number"),
        ("training:\n  steps: 1.5\n", "run.yaml:2: training.steps must be a whole number"),
        ("training:\n  steps:\n", "run.yaml:2: training.steps must be a whole number"),
        ("training:\n  steps: [3]\n", "run.yaml:2: training.steps must be a whole number"),
        ("training:\n  steps: 99999999999999999999\n", "run.yaml:2: training.steps must be a whole number"),
        (
            "seed: 1\nmodel:\n  channel_multipliers: 3\n",
            "run.yaml:3: model.channel_multipliers must be a list of whole numbers, e.g. [1, 2, 4]"
        ),
        (
            "model:\n  channel_multipliers: [1, two]\n",
            "run.yaml:2: model.channel_multipliers must be a list of whole numbers, e.g. [1, 2, 4]"
        ),
        ("model:\n  stem: resnet\n", "run.yaml:2: model.stem must be one of convolutional, patches"),
        ("optimizer:\n  learning_rate: .nan\n", "run.yaml:2: optimizer.learning_rate must be a number"),
        ("optimizer:\n  learning_rate: {a: 1}\n", "run.yaml:2: optimizer.learning_rate must be a number"),
        ("optimizer:\n  gradient_clip: never\n", "run.yaml:2: optimizer.gradient_clip must be a number, or none"),
        ("training: 5\n", "run.yaml:1: training must hold keys of its own, indented below it")
    ])
    func aValueOfTheWrongKindNamesItsLineAndWhatIsExpected(yaml: String, expected: String) {
        #expect(complaint(yaml) == expected)
    }

    @Test func aWrongOverrideSaysWhatIsExpected() {
        #expect(complaint("seed: 1", set: [("training.steps", "x")]) == "--set training.steps=x: expected a whole number")
        #expect(complaint("seed: 1", set: [("training.steps", "")]) == "--set training.steps=: expected a whole number")
        #expect(complaint("seed: 1", set: [("training.steps", "{")]) == "--set training.steps={: expected a whole number")
    }

    /// For every field with a condition, values on the wrong side of it; `nil` where the requirement depends on other fields.
    @Test(arguments: [
        ("seed", "-1", "0 or more"), ("model.channels", "0", "1 to 65536"), ("model.channels", "99999999", "1 to 65536"),
        ("model.channel_multipliers", "[]", "1 to 8 numbers"), ("model.channel_multipliers", "[1, 0]", "1 to 8 numbers"),
        ("model.channel_multipliers", "[1,1,1,1,1,1,1,1,1]", "1 to 8 numbers"), ("model.residual_blocks", "0", "1 to 1024"),
        ("model.patch_size", "0", "1 to 65536"), ("model.patch_width", "-8", "1 to 65536"),
        ("model.image_size", "60", "a multiple of 8"), ("model.image_size", "8", "a multiple of 8, the pixels of one token, from 16"),
        ("model.image_size", "4611686018427387904", "a multiple of 8"), ("model.attention_blocks", "0", "1 to 1024"),
        ("model.encoder_heads", "3", "a divisor of the encoder's token width 128"), ("model.decoder_heads", "0", "a divisor"), ("model.bits", "0", "1 to 18"),
        ("model.bits", "19", "1 to 18"), ("model.groups", "5", "a divisor of 16 channels"), ("model.groups", "0", "a divisor"),
        ("model.layer_scale", "0", "more than 0"), ("model.source_recovery.width", "0", "1 to 65536"),
        ("model.source_recovery.heads", "3", "a divisor of the width 64"),
        ("model.source_recovery.cross_attention_blocks", "0", "1 to 1024"),
        ("model.source_recovery.self_attention_blocks", "-1", "0 to 1024"),
        ("model.source_recovery.self_attention_blocks", "9223372036854775807", "0 to 1024"), ("model.attention_blocks", "1025", "1 to 1024"),
        ("model.image_size", "2056", "a multiple of 8, the pixels of one token, from 16 to 2048"), ("merging.candidates", "0", "1 to 9"),
        ("merging.candidates", "1000000000", "1 to 9"), ("merging.kept_tokens", "64", "such that all 4 candidates lie within 7 … 64"),
        ("merging.kept_tokens", "7", "such that all 4 candidates"), ("merging.kept_tokens", "9223372036854775807", "such that all 4"),
        ("losses.reconstruction", "0", "more than 0"), ("losses.entropy", "-0.1", "0 or more"), ("losses.commitment", "-1", "0 or more"),
        ("losses.source_recovery", "-1", "0 or more"), ("training.steps", "0", "1 to 2^32"),
        ("training.steps", "9223372036854775807", "1 to 2^32"),
        ("training.slots", "6", "a power of two"), ("training.slots", "0", "a power of two"),
        ("training.slots", "1073741824", "a power of two"),
        ("training.global_batch", "20", "a multiple of the 8 slots"), ("training.global_batch", "0", "a multiple of the 8 slots"),
        ("optimizer.learning_rate", "0", "more than 0"), ("optimizer.beta1", "1", "within 0 … 1"),
        ("optimizer.beta2", "-0.5", "within 0 … 1"),
        ("optimizer.weight_decay", "-1", "0 or more"), ("optimizer.gradient_clip", "0", "more than 0, or none"),
        ("optimizer.ema_decay", "1", "within 0 … 1"), ("checkpoints.every_steps", "0", "1 or more"),
        ("checkpoints.keep_last", "0", "1 or more"),
        ("checkpoints.keep_every_steps", "-1", "0 or more")
    ])
    func aValueOutOfRangeNamesKeyValueAndRange(key: String, value: String, requirement: String) {
        let text = complaint("seed: 1", set: [(key, value)])
        #expect(text.hasPrefix("--set \(key)=\(value): \(key) is "), "\(text)")
        #expect(text.contains("but it must be \(requirement)"), "\(text)")
    }

    /// Every size within its own range, and all of them together far beyond what an Int can count.
    @Test func anAbsurdModelIsRefusedBeforeItIsCounted() throws {
        func yaml(width: Int, blocks: Int) -> String {
            "model:\n  channels: \(width)\n  channel_multipliers: [1024, 1024]\n  residual_blocks: \(blocks)\n  attention_blocks: \(blocks)\n"
                + "  image_size: 16\nmerging:\n  kept_tokens: 64\n  candidates: 1\n"
        }
        let text = complaint(yaml(width: 65_536, blocks: 1024))
        #expect(text.hasPrefix("run.yaml: model has ") && text.contains("lower model.channels") && !text.contains("\n"), "\(text)")
        #expect(complaint(yaml(width: 512, blocks: 1)).hasPrefix("run.yaml: model has "), "a few 10^13")
        // Large, but a model: 9 weights a pair of channels and convolution.
        let large = try RunConfiguration(yaml: yaml(width: 64, blocks: 1), file: "run.yaml")
        let layout = Tokenizer.build(large.tokenizer).1
        let counted = ForwardPass(large.tokenizer, kept: large.merging.keptTokens).weightCount
        #expect(layout.count > 100_000_000_000 && abs(counted / Double(layout.count) - 1) < 0.001, "\(counted) weights of \(layout.count) parameters")
    }

    @Test func aValueOutOfRangeInAFileNamesItsLine() {
        #expect(
            complaint("seed: 1\ntraining:\n  slots: 8\n  global_batch: 20\n")
                == "run.yaml:4: training.global_batch is 20, but it must be a multiple of the 8 slots, at most 2^30")
        // The value at fault may be a default that another value made impossible.
        #expect(complaint("model:\n  image_size: 32\n").hasPrefix("run.yaml: merging.kept_tokens is 36, but it must be"))
    }

    /// A kept-token count is accepted exactly when the schedule can merge down to it and to all above it, by trying all.
    @Test(arguments: MergeSchedule.allCases, [1, 2, 4, 7])
    func keptTokensAreThoseThatCanBeReached(schedule: MergeSchedule, blocks: Int) {
        let reached = (1...64).map { kept in
            MergeSchedule.capped(schedule.mergeCounts(length: 64, kept: kept, layers: blocks), length: 64).reduce(0, +) == 64 - kept
        }
        for kept in 1...64 {
            // The one candidate, which is a little less than the target where the root is not exact.
            let candidate = KeptTokenDistribution(shape: .uniform, target: kept, count: 1).candidates[0]
            let expected = candidate >= 1 && reached[(candidate - 1)...].allSatisfy { $0 }
            let configuration = try? RunConfiguration(
                yaml: """
                    model: {attention_blocks: \(blocks)}
                    merging: {kept_tokens: \(kept), distribution: uniform, candidates: 1, schedule: \(schedule.rawValue)}
                    """, file: "run.yaml")
            #expect((configuration != nil) == expected, "K \(kept)")
        }
    }

    @Test func noneAndOverridesAndListsAreRead() throws {
        let yaml = "training:\n  steps: 10\noptimizer:\n  gradient_clip: 0.5\n"
        var expected = RunConfiguration()
        expected.training.steps = 10
        expected.optimizer.gradientClip = 0.5
        #expect(try RunConfiguration(yaml: yaml, file: "run.yaml") == expected)
        expected.training.steps = 30
        expected.optimizer.gradientClip = nil
        expected.model.channelMultipliers = [1, 1, 2, 2]
        let overrides = [
            ("training.steps", "20"), ("optimizer.gradient_clip", "none"), ("model.channel_multipliers", "[1, 1, 2, 2]"),
            ("training.steps", "30")
        ].map { (key: $0.0, value: $0.1) }
        #expect(try RunConfiguration(yaml: yaml, file: "run.yaml", overrides: overrides) == expected)
    }

    @Test func theWrittenFormReadsBackEqual() throws {
        var changed = RunConfiguration()
        changed.seed = 77
        changed.model.stem = .patches
        changed.model.patchSize = 4
        changed.model.imageSize = 32
        changed.model.channelMultipliers = [1, 2, 8]
        changed.merging.distribution = .exponential
        changed.merging.schedule = .square
        changed.merging.candidates = 2
        changed.losses.entropy = 1.0 / 3
        changed.optimizer.learningRate = 1.7e-5
        changed.optimizer.gradientClip = 0.1 + 0.2
        for configuration in [RunConfiguration(), changed] {
            #expect(try RunConfiguration(yaml: configuration.yaml, file: "run.yaml") == configuration, "\(configuration.yaml)")
        }
    }

    /// All but the losses and networks that a configuration must ask for.
    @Test func theShippedPresetHoldsTheDefaults() throws {
        let file = Fixtures.packageRoot.appendingPathComponent("configs/tokenizer-gr-tiny.yaml").path
        var expected = RunConfiguration()
        #expect(expected.losses.perceptual == 0 && expected.losses.adversarial == 0 && expected.losses.alignment == 0)
        expected.losses.perceptual = 1
        expected.losses.adversarial = 0.1
        expected.losses.alignment = 1
        expected.perceptual.network = .random
        expected.alignment.teacher = .random
        #expect(try RunConfiguration(file: file) == expected)
        expected = expected.tokenizerLossesOnly
        expected.perceptual.network = .none
        expected.alignment.teacher = .none
        #expect(expected == RunConfiguration())
        let text = try String(contentsOfFile: file, encoding: .utf8)
        for (key, _) in RunConfiguration().entries where !key.hasPrefix("model.patch") {
            #expect(text.contains("\(key.split(separator: ".").last ?? ""):"), "the preset should show \(key)")
        }
    }

    @Test(arguments: ["a: [1, 2", "\tseed: 1", "seed: 1\nseed: 2\n", "seed: 'x", "a: *b", "", "just a text", "- 1\n- 2\n", "# nothing\n"])
    func whatIsNoConfigurationIsRefused(yaml: String) {
        let text = complaint(yaml)
        #expect(text.hasPrefix("run.yaml"), "\(text)")
    }

    @Test func aFileThatCannotBeReadIsNamed() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("configuration-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let binary = folder.appendingPathComponent("binary.yaml").path
        try Data([0xFF, 0xFE, 0x00, 0xC3]).write(to: URL(fileURLWithPath: binary))
        for path in [folder.appendingPathComponent("absent.yaml").path, folder.path, binary] {
            do {
                _ = try RunConfiguration(file: path)
                Issue.record("accepted \(path)")
            } catch {
                #expect("\(error)".hasPrefix("\(path): cannot be read") && !"\(error)".contains("\n"), "\(error)")
            }
        }
    }
}
