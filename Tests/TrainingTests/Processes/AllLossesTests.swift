import Foundation
import Testing

extension ProcessTests {
    /// With every loss of stage 1 on, discriminator, random perceptual network and random teacher included.
    @Suite struct AllLossesTests {
        private static let settings = [
            "training.steps=6", "training.global_batch=16", "checkpoints.every_steps=2", "losses.perceptual=1", "losses.adversarial=0.1",
            "losses.alignment=1", "losses.alignment_loss=distillation", "perceptual.network=random", "perceptual.channels=4",
            "discriminator.layers=2", "alignment.teacher=random", "optimizer.gradient_clip=5", "optimizer.schedule=steps",
            "optimizer.warm_up_steps=2",
        ]

        /// Two workers, and a coordinator that is killed in the middle of an epoch and computes its last steps again, against one worker.
        @Test func killsAndWorkersMoveNoBit() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.withRun({ $0.settings = Self.settings }) { fleet in
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(threads: 2, hasData: false)])
                let results = try fleet.run.results()
                for name in ["perceptual", "generator", "discriminator", "lecam", "alignment", "gradient_norm_discriminator"] {
                    #expect(results.allSatisfy { ($0.values[name] ?? 0) != 0 && $0.values[name]?.isFinite == true }, "\(name)")
                }
                #expect(try fleet.run.weightsDigest(ofCheckpoint: 6) == results.last?.weightsDigest)
                return results
            }
            try workshop.withRun({ $0.settings = Self.settings }) { fleet in
                let first = try fleet.start(minimumWorkers: 2)
                let workers = try [fleet.worker(hasData: true), fleet.worker(hasData: false)]
                try fleet.waitForSteps(3)
                for command in [first] + workers {
                    command.signal(SIGKILL)
                    command.kill()
                }
                try fleet.start()
                try fleet.expectToFinish([try fleet.worker(hasData: false), try fleet.worker(hasData: true)])
                #expect(try fleet.run.results() == reference)
            }
        }

        @Test func aLossWithoutNetworkIsRefused() throws {
            let workshop = try Workshop.here()
            func refuse(_ setting: String, _ key: String, _ command: String) throws {
                var run = Run(path: workshop.path("run"), data: try workshop.dataset())
                run.settings = [setting, "\(key)=none"]
                try expectRefusal(
                    "mvq-coordinator", run.arguments, exitCode: 78, String(setting.dropLast(2)), "\(key) is none", command, "to 0")
            }
            try refuse("losses.perceptual=1", "perceptual.network", "--kind perceptual")
            try refuse("losses.alignment=1", "alignment.teacher", "--kind dinov2")
            let preset = (Run.preset as NSString).deletingLastPathComponent + "/tokenizer-gr.yaml"
            try expectRefusal(
                "mvq-coordinator", ["--config", preset, "--data", try workshop.dataset(), "--run", workshop.path("run")], exitCode: 78,
                "losses.perceptual is on but perceptual.network is none", "mvq import vgg16.safetensors lpips.safetensors --kind perceptual")
        }
    }
}
