import Foundation
import TensorCore
import Testing
import Training

/// Of the families that these tests ask for.
private var libraryHasFamilies: Bool {
    #if arch(x86_64)
    NumericEnvironment.libraryHasFamilies
    #else
    false
    #endif
}

extension ProcessTests {
    /// Machines that compute other bits are refused, with a setting that all of them can run.
    @Suite(.enabled(if: libraryHasFamilies, "the BLAS library has kernels of one family only"))
    struct NumericClassTests {
        private func environment(_ family: String) -> [String: String] { [NumericEnvironment.familyVariable: family] }

        @Test func aWorkerWithOtherKernelsIsRefused() throws {
            try Workshop.here().withRun { fleet in
                let coordinator = try fleet.start(environment: environment("Haswell"))
                let worker = try fleet.worker(hasData: false, environment: environment("Sandybridge"))
                #expect(try worker.exitCode() == 78, "\(worker.standardError)")
                expectOneComplaint(
                    worker,
                    [
                        "has numeric class OpenBLAS", "Sandybridge", "the run OpenBLAS", "computes other numbers from encoder.", " (stage ",
                        "start it with OPENBLAS_CORETYPE=Haswell, which every machine can run",
                    ])
                #expect(coordinator.isRunning)
            }
        }

        /// Its class is right, what it computes is not.
        @Test(arguments: [
            (["MVQ_FAIL": "worker.canary=flip"], "computes other numbers from image (stage 1 of "),
        ])
        func aWorkerThatComputesOtherNumbersIsRefused(environment: [String: String], reason: String) throws {
            try Workshop.here().withRun { fleet in
                let coordinator = try fleet.start()
                let worker = try fleet.worker(hasData: false, environment: environment)
                #expect(try worker.exitCode() == 78, "\(worker.standardError)")
                #expect(worker.complaints.last?.contains(reason) == true, "\(worker.complaints)")
                #expect(worker.complaints.last?.contains("has the run's numeric class OpenBLAS") == true)
                #expect(coordinator.isRunning && fleet.run.committed == 0)
            }
        }

        @Test func aRunKeepsItsNumericClass() throws {
            let workshop = try Workshop.here()
            try workshop.withRun({ $0.settings[0] = "training.steps=1" }) { fleet in
                try fleet.start(environment: environment("Sandybridge"))
                try fleet.expectToFinish([try fleet.worker(hasData: false, environment: environment("Sandybridge"))])
                let before = try fleet.run.contents()
                let label = (workshop.path("other-class") as NSString).lastPathComponent
                let other = try Command(
                    "mvq-coordinator", fleet.run.arguments, folder: workshop.folder, label: label, environment: environment("Haswell"))
                #expect(try other.exitCode() == 78, "\(other.standardError)")
                expectOneComplaint(
                    other, [fleet.run.path, "was computed with OpenBLAS", "start it with OPENBLAS_CORETYPE=Sandybridge", "or start a new run"])
                #expect(try fleet.run.contents() == before)
            }
        }

        @Test func aReplayNeedsTheRunsNumericClass() throws {
            let workshop = try Workshop.here()
            let reference = try workshop.reference()
            let its = try #require(try reference.store.load(step: 15).checkpoint.attributes["numeric_class"]?.string)
            let family = NumericEnvironment.family(ofClass: its)
            let label = (workshop.path("replay") as NSString).lastPathComponent
            let replay = try Command(
                "mvq", ["replay", reference.path, "--step", "17", "--data", reference.data], folder: workshop.folder, label: label,
                environment: environment(family == "Sandybridge" ? "Haswell" : "Sandybridge"))
            #expect(try replay.exitCode() == 78 && replay.standardOutput == "", "\(replay.standardError)")
            expectOneComplaint(replay, [reference.path, "was computed with OpenBLAS", "start it with OPENBLAS_CORETYPE=\(family)"])
        }

        /// With nothing set, every command takes the fastest kernels of this CPU.
        @Test func commandsChooseTheFastestKernels() throws {
            let workshop = try Workshop.here()
            for (family, expected) in [("", NumericEnvironment.fastestFamily), ("Haswell", "Haswell")] {
                let label = (workshop.path("doctor") as NSString).lastPathComponent
                let doctor = try Command("mvq", ["doctor", "--json"], folder: workshop.folder, label: label, environment: environment(family))
                _ = try doctor.exitCode()
                let report = try JSONDecoder().decode(DoctorOutput.self, from: Data(doctor.standardOutput.utf8))
                #expect(report.blas.kernel_family == expected, "\(doctor.standardError)")
                #expect(NumericEnvironment.family(ofClass: report.numeric_class) == expected)
            }
        }
    }
}

/// What tests read of `mvq doctor --json`.
struct DoctorOutput: Decodable {
    struct BLAS: Decodable {
        let kernel_family: String
        let gflops_one_thread: Double
    }
    struct Library: Decodable {
        let name: String
        let version: String
    }

    let blas: BLAS
    let numeric_class: String
    let libraries: [Library]
    let problems: [String]
    let exit_code: Int32
}
