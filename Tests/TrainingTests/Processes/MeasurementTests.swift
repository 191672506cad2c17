import Foundation
import TensorCore
import TestKit
import Testing
import Training

extension ProcessTests {
    /// `mvq inspect --config`, `mvq bench` and `mvq doctor`: what they say, not how fast it is.
    @Suite struct MeasurementTests {
        private func config(_ name: String) -> String { Fixtures.packageRoot.appendingPathComponent("configs/tokenizer-\(name).yaml").path }

        /// The JSON that a command prints, decoded; it must exit 0 in silence.
        private func json<Output: Decodable>(_ arguments: String..., as type: Output.Type = Output.self) throws -> Output {
            let (exitCode, command) = try Workshop.here().command("mvq", arguments + ["--json"])
            #expect(exitCode == 0 && command.standardError == "", "\(command.standardError)")
            return try JSONDecoder().decode(Output.self, from: Data(command.standardOutput.utf8))
        }

        // MARK: inspect --config

        struct Model: Decodable {
            struct Module: Decodable {
                let name: String
                let parameters: Int
                let parts: [Module]
            }

            struct Judge: Decodable, Equatable {
                let name: String
                let parameters: Int
                let key: String
                let weights: String
            }

            let parameters: Int
            let kept_tokens: Int
            let modules: [Module]
            let frozen_networks: [Judge]
            let forward_flops: [String: Double]
        }

        /// Spec 2.7, 2.8, 4.2, 4.4 and 5; all else is tested on the model itself.
        @Test(arguments: [
            ("g", 62_333_714, 2_628_352, 82_847_171, 7_646_976), ("gr", 62_666_578, 6_820_608, 83_367_235, 7_352_064),
            ("r", 85_681_170, 14_162_688, 83_367_235, 7_352_064),
        ])
        func aConfigurationsParametersByModule(name: String, encoder: Int, head: Int, decoder: Int, recovery: Int) throws {
            let model: Model = try json("inspect", "--config", config(name))
            #expect(model.modules.map(\.name) == ["encoder", "alignment head", "decoder", "source recovery", "discriminator"])
            #expect(model.modules.map(\.parameters) == [encoder, head, decoder, recovery, 2_765_633])
            #expect(model.parameters == encoder + head + decoder + recovery + 2_765_633)
            #expect(
                model.frozen_networks == [
                    Model.Judge(name: "perceptual network", parameters: 14_716_160, key: "perceptual.network", weights: "none"),
                    Model.Judge(name: "alignment teacher", parameters: 86_579_712, key: "alignment.teacher", weights: "none"),
                ])
            #expect(model.modules[0].parts.contains { $0.name == "attention blocks" })
            let (exitCode, table) = try Workshop.here().command("mvq", ["inspect", "--config", config(name)])
            #expect(exitCode == 0 && table.standardError == "")
            let digits = table.standardOutput.filter { $0 != " " }
            #expect(digits.contains("encoder\(encoder)") && digits.contains("decoder\(decoder)") && digits.contains("total\(model.parameters)"))
            #expect(digits.contains("alignmentteacher86579712alignment.teacher:none"))
        }

        struct TokenModel: Decodable {
            let task: String
            let kind: String?
            let parameters: Int
            let modules: [Model.Module]
            let bits: Int
            let assumed: [String]
        }

        /// Stage 2 (stage2 1.1, 3.5).
        @Test func aGeneratorsParametersByModule() throws {
            func file(_ name: String) -> String { Fixtures.packageRoot.appendingPathComponent("configs/\(name).yaml").path }
            let generator: TokenModel = try json("inspect", "--config", file("generator-mergear"))
            #expect(generator.task == "generator" && generator.kind == "mergear" && generator.bits == 18)
            #expect(generator.parameters == 343_575_552 && generator.modules.map(\.parameters).reduce(0, +) == generator.parameters)
            #expect(generator.modules.first { $0.name == "merge_emb" }?.parameters == 5 * 1024)
            #expect(generator.assumed == ["generator.classes", "generator.grid", "generator.least_kept", "generator.most_kept"])
            let recovery: TokenModel = try json("inspect", "--config", file("source-recovery"))
            #expect(recovery.task == "recovery" && recovery.kind == nil && recovery.parameters == 7_355_136)
            let (exitCode, table) = try Workshop.here().command("mvq", ["inspect", "--config", file("generator-randar-tiny")])
            #expect(exitCode == 0 && table.standardError == "" && table.standardOutput.contains("randar: 256 codes an image, 10 bits each"))
            try expectRefusal("mvq", ["bench", "step", "--config", file("generator-randar")], exitCode: 78, "mvq bench generator")
        }

        @Test func inspectWantsOneOfTwo() throws {
            try expectRefusal("mvq", ["inspect"], exitCode: 64, "--config FILE")
            try expectRefusal("mvq", ["inspect", "x.h5", "--config", config("gr")], exitCode: 64, "either a checkpoint")
            try expectRefusal("mvq", ["inspect", "--config", "absent.yaml"], exitCode: 78, "absent.yaml", "cannot be read")
        }

        // MARK: bench

        struct Step: Decodable {
            struct Times: Decodable {
                let minimum: Double
                let median: Double
            }

            let parameters: Int
            let kept_tokens: Int
            let numeric_class: String
            let forward_gflop: Double
            let forward_warm_up_seconds: Double
            let forward_backward_warm_up_seconds: Double
            let forward_seconds_per_image: Times
            let forward_backward_seconds_per_image: Times
            let algorithmic_gflops: Double
            let algorithmic_gflops_best: Double
            let forward_algorithmic_gflops: Double
            let sgemm_peak_gflops: Double
            let ratio_to_sgemm_peak: Double
            let ratio_to_sgemm_peak_best: Double
            let peak_resident_bytes: Int
        }

        @Test func benchStepCountsOperationsByDefinition() throws {
            let step: Step = try json("bench", "step", "--config", config("gr-tiny"), "--threads", "1", "--batch", "2", "--runs", "1")
            let model: Model = try json("inspect", "--config", config("gr-tiny"))
            let tokenizer = model.modules.filter { ["encoder", "decoder", "source recovery"].contains($0.name) }
            #expect(step.parameters == tokenizer.reduce(0) { $0 + $1.parameters } && step.kept_tokens == model.kept_tokens)
            #expect(step.parameters < model.parameters, "head and discriminator are not in it")
            let flops = try #require(model.forward_flops["encoder_and_decoder"])
            #expect(abs(step.forward_gflop * 1e9 - flops) < 1)
            let both = step.forward_backward_seconds_per_image
            func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-6 * b }
            #expect(isNear(step.algorithmic_gflops, 3 * flops / both.median / 1e9))
            #expect(isNear(step.algorithmic_gflops_best, 3 * flops / both.minimum / 1e9))
            #expect(isNear(step.forward_algorithmic_gflops, flops / step.forward_seconds_per_image.median / 1e9))
            #expect(isNear(step.ratio_to_sgemm_peak, step.algorithmic_gflops / step.sgemm_peak_gflops))
            #expect(isNear(step.ratio_to_sgemm_peak_best, step.algorithmic_gflops_best / step.sgemm_peak_gflops))
            #expect(step.forward_warm_up_seconds > 0 && step.forward_backward_warm_up_seconds > 0)
            #expect(step.peak_resident_bytes > 4 * 2 * step.parameters, "weights and gradients at least")
            #expect(step.numeric_class.hasPrefix("OpenBLAS "))
        }

        struct Operations: Decodable {
            struct Row: Decodable {
                let operation: String
                let direction: String
                let calls: Int?
                let gflops: Double?
                let gigabytes_per_second: Double?
                let share_of_step: Double?
                let ratio_to_copy: Double?
            }

            let operations: [Row]
        }

        @Test func benchOpsTakesAStepApart() throws {
            let rows = try json("bench", "ops", "--config", config("gr-tiny"), "--runs", "1", "--threads", "2", as: Operations.self).operations
            #expect(abs(rows.compactMap(\.share_of_step).reduce(0, +) - 1) < 1e-9)
            func calls(_ operation: String, _ direction: String) -> Int {
                rows.filter { $0.operation == operation && $0.direction == direction }.compactMap(\.calls).reduce(0, +)
            }
            // Four blocks each in encoder and decoder, one cross- and one self-attention block in source recovery.
            #expect(calls("attention", "forward") == 10 && calls("attention", "backward") == 10)
            #expect(calls("token merging", "forward + backward") == 4)
            // Three down; of the image no gradient is asked for, of everything else it is.
            #expect(calls("convolution 3×3 stride 2", "weight gradient") == 3)
            #expect(calls("convolution 3×3", "forward") == calls("convolution 3×3", "data gradient") + 1)
            #expect(calls("convolution 3×3", "forward") == calls("convolution 3×3", "weight gradient"))
            #expect(rows.allSatisfy { ($0.gflops == nil) != ($0.gigabytes_per_second == nil) })
            for kind in ["linear", "layer norm", "GELU", "group norm + SiLU", "adaptive group norm", "depth to space", "code entropy", "scale + residual"] {
                #expect(rows.contains { $0.operation == kind }, "\(kind)")
            }
        }

        @Test func benchesNameWhatThereIs() throws {
            let (exitCode, command) = try Workshop.here().command("mvq", ["bench", "gemm", "--only", "attention", "--runs", "1"])
            #expect(exitCode == 0 && command.standardOutput.contains("257×257×64"), "\(command.standardError)")
            try expectRefusal("mvq", ["bench", "gemm", "--only", "cholesky"], exitCode: 64, "--only cholesky", "Winograd")
            try expectRefusal("mvq", ["bench", "ops", "--only", "sorting"], exitCode: 64, "--only sorting", "there are", "attention")
            try expectRefusal("mvq", ["bench", "step", "--config", config("gr"), "--threads", "0"], exitCode: 64, "--threads is 0")
            try expectRefusal("mvq", ["bench", "ops", "--runs", "0"], exitCode: 64, "--runs is 0")
        }

        // MARK: doctor

        @Test func theDoctorKnowsTheMachine() throws {
            let report: DoctorOutput = try json("doctor", "--run", try Workshop.here().path("runs/new"))
            #expect(report.exit_code == 0 && report.problems.isEmpty)
            #expect(report.libraries.map(\.name) == ["ZeroMQ", "HDF5", "libjpeg-turbo", "libpng", "OpenSSL"])
            #expect(report.libraries.allSatisfy { $0.version != "unknown" })
            #expect(report.blas.gflops_one_thread > 0)
        }

        /// A folder where nothing can be made: below a file, and in a file system without room.
        @Test(arguments: [("\(Run.preset)/run", "cannot be written"), ("/proc/run", "make room")])
        func theDoctorFindsNoRoom(folder: String, complaint: String) throws {
            let (exitCode, command) = try Workshop.here().command("mvq", ["doctor", "--run", folder])
            #expect(exitCode == 74)
            let lines = command.standardOutput.split(separator: "\n")
            #expect(lines.last == "not fit to run")
            #expect(lines.contains { $0.hasPrefix("problem: \(folder) ") && ($0.contains(complaint) || $0.contains("cannot be written")) })
        }
    }
}
