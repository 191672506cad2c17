import Fleet
import Foundation
import ImageData
import Testing
import Training

extension ProcessTests {
    /// Generation on a fleet: the images that one machine makes, whoever takes part and whatever happens.
    @Suite struct GenerateFleetTests {
        @Test(arguments: RunConfiguration.Generator.Kind.allCases)
        func aFolderIsFilledWithTheImagesOfOneMachine(_ kind: RunConfiguration.Generator.Kind) throws {
            try withTemporaryFolder { folder in
                let small = try SmallGenerator(folder: folder)
                let checkpoint = try small.generatorFile(kind, names: ["ant", "bee", "cat", "dog"])
                let workshop = try Workshop.here()
                let models = ["--checkpoint", checkpoint, "--tokenizer", small.tokenizerPath, "--seed", "3"]
                let (exitCode, alone) = try workshop.command(
                    "mvq", ["generate"] + models + ["--class", "dog,1", "--count", "5", "--cfg", "2", "--out-dir", "\(folder)/alone"])
                try #require(exitCode == 0, "\(alone.standardError)")

                // Ten images in steps of two slots of two: the last has one image for one of its slots.
                let run = Run(path: "\(folder)/run", data: "\(folder)/images")
                let arguments = [
                    "--task", "generate", "--class", "dog,1", "--count", "5", "--out", run.data, "--run", run.path, "--listen", "tcp://127.0.0.1:*",
                    "--gather-seconds", "120", "--set", "generation.guidance=2", "--set", "generation.guidance_post=2", "--set", "generation.slots=2",
                    "--set", "generation.images_per_slot=2",
                ] + models
                try withFleet(of: run) { fleet in
                    let first = try fleet.start(replacing: arguments, environment: ["MVQ_FAIL": "journal.before@2=kill"])
                    let workers = try [fleet.worker(hasData: false), fleet.worker(threads: 2, hasData: false)]
                    #expect(try first.exitCode() == -SIGKILL, "\(first.standardError)")
                    workers[0].kill()
                    #expect(run.committed == 1)
                    try FileManager.default.removeItem(atPath: "\(run.data)/0003-000001.png")
                    // Goes on from the first step: one of its files is gone.
                    let second = try fleet.start(replacing: arguments)
                    let other = try fleet.worker(hasData: false)
                    #expect(try second.exitCode() == 0, "\(second.standardError)")
                    #expect(try other.exitCode() == 0)
                    workers[1].kill()
                    #expect(run.committed == 3)
                    let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/alone").sorted()
                    #expect(try FileManager.default.contentsOfDirectory(atPath: run.data).sorted() == names && names.count == 10)
                    for name in names {
                        let isSame = try fileDigest("\(folder)/alone/\(name)") == fileDigest("\(run.data)/\(name)")
                        #expect(isSame, "\(name)")
                    }
                    // All is there: nothing is done again, and no worker is needed.
                    let third = try fleet.launch(replacing: arguments)
                    #expect(try third.exitCode() == 0, "\(third.standardError)")
                }
                try expectRefusal("mvq-coordinator", arguments + ["--count", "6"], exitCode: 78, "generation.count 5, not 6")
            }
        }

        @Test func whatCannotBeMadeIsRefused() throws {
            try withTemporaryFolder { folder in
                let small = try SmallGenerator(folder: folder)
                let checkpoint = try small.generatorFile(.llamagen)
                let common = ["--task", "generate", "--run", "\(folder)/run"]
                let models = common + ["--checkpoint", checkpoint, "--tokenizer", small.tokenizerPath, "--out", "\(folder)/images"]
                try expectRefusal("mvq-coordinator", models + ["--class", "4"], exitCode: 64, "class 4", "0 to 3")
                try expectRefusal("mvq-coordinator", models + ["--set", "generation.steps=4"], exitCode: 64, "--steps", "randar")
                let stranger = try small.generatorFile(.llamagen, change: { $0.generator.tokenizer = "abc" })
                try expectRefusal(
                    "mvq-coordinator", common + ["--checkpoint", stranger, "--tokenizer", small.tokenizerPath, "--out", "\(folder)/images"],
                    exitCode: 78, "tokenizer with digest abc")
                #expect(!FileManager.default.fileExists(atPath: "\(folder)/run") && !FileManager.default.fileExists(atPath: "\(folder)/images"))
            }
        }
    }
}
