import Foundation
import ImageData
import Testing

extension ProcessTests {
    /// Datasets without structure or of hardly any images, from inspection through training with every loss to reconstruction.
    @Suite struct OddDatasetTests {
        private static let settings = [
            "training.steps=3", "training.global_batch=16", "model.channels=8", "model.attention_blocks=3", "losses.perceptual=1",
            "losses.adversarial=0.1", "losses.alignment=1", "perceptual.network=random", "perceptual.channels=4", "discriminator.channels=4",
            "alignment.teacher=random",
        ]

        private func withDataset(_ files: [[UInt8]], _ body: (Workshop, TestFleet) throws -> Void) throws {
            let workshop = try Workshop.here()
            let data = workshop.path("odd-data")
            defer { try? FileManager.default.removeItem(atPath: data) }
            try OddImages.write(files, to: data)
            var run = Run(path: workshop.path("odd"), data: data)
            run.settings = Self.settings
            defer { try? FileManager.default.removeItem(atPath: run.path) }
            try withFleet(of: run) { try body(workshop, $0) }
        }

        private func train(_ fleet: TestFleet) throws {
            try fleet.start()
            try fleet.expectToFinish([try fleet.worker(threads: 2, hasData: true)])
            let records = try fleet.run.journal()
            #expect(records.allSatisfy { record in record.values.values.allSatisfy(\.isFinite) && record.values["alignment"] != nil })
        }

        /// What the command prints about all of the folder's validation images.
        private func reconstruct(_ workshop: Workshop, _ run: Run) throws -> String {
            let (exitCode, command) = try workshop.command(
                "mvq", ["reconstruct", "--checkpoint", run.path, "--data", run.data, "--out", workshop.path("odd.png")])
            #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            return command.standardOutput
        }

        private func inspect(_ workshop: Workshop, _ data: String) throws -> String {
            let (exitCode, command) = try workshop.command("mvq", ["dataset", "inspect", data])
            #expect(exitCode == 0 && command.lines.isEmpty, "\(command.standardError)")
            return command.standardOutput
        }

        /// One of every kind, in one class.
        @Test func imagesOfEveryKindInOneClass() throws {
            let files = try OddImages.allCases.map { try $0.files[1] }
            try withDataset(files) { workshop, fleet in
                let text = try inspect(workshop, fleet.run.data)
                #expect(text.contains("train: 10 images in 1 class,") && text.contains("colour 9, greyscale 1, unreadable 0"), "\(text)")
                #expect(text.contains("sound: every image was decoded"), "\(text)")
                try train(fleet)
                let printed = try reconstruct(workshop, fleet.run)
                #expect(printed.hasPrefix("step 3, 10 images, K 36: PSNR ") && !printed.lowercased().contains("nan"), "\(printed)")
            }
        }

        /// All slots but the first are empty in every step.
        @Test func aSingleImageOfASinglePixel() throws {
            try withDataset([try OddImages.onePixel.files[3]]) { workshop, fleet in
                let text = try inspect(workshop, fleet.run.data)
                #expect(text.contains("train: 1 image in 1 class,") && text.contains("sound"), "\(text)")
                try train(fleet)
                #expect(try fleet.run.journal().map(\.epoch) == [0, 1, 2], "every step is an epoch")
                let printed = try reconstruct(workshop, fleet.run)
                #expect(printed.hasPrefix("step 3, 1 image, K 36: PSNR "), "\(printed)")
            }
        }
    }
}
