import Fleet
import Foundation
import TensorCore

/// Numbers that are wrong.
enum NumberRows {
    static let otherClass = FaultRow(
        22, "Wrong numeric class", injection: "a worker with other BLAS kernels (OPENBLAS_CORETYPE); one that computes a bit otherwise",
        expected: "refused with 78, the first layer that differs and the setting that mends it",
        obstacle: { _ in Machine.hasOneFamily }
    ) { drill in
        try drill.run("other kernels") { fleet in
            let other = NumericEnvironment.kernelFamily == "Sandybridge" ? "Haswell" : "Sandybridge"
            try fleet.start()
            let worker = try fleet.worker(environment: [NumericEnvironment.familyVariable: other])
            try worker.expectExit(ExitCode.configuration)
            try drill.require(worker.says("has numeric class", other, "computes other numbers from ", "OPENBLAS_CORETYPE="), worker.tail)
            try fleet.finish([try fleet.worker()])
        }
        try drill.run("the right class, other numbers") { fleet in
            try fleet.start()
            let worker = try fleet.worker(failpoints: "worker.canary=flip")
            try worker.expectExit(ExitCode.configuration)
            try drill.require(worker.says("has the run's numeric class", "computes other numbers from image (stage 1 of "), worker.tail)
            try fleet.finish([try fleet.worker()])
        }
    }

    static let flippedBit = FaultRow(
        23, "Worker flips a bit of a gradient", injection: "failpoint worker.gradient=flip on one of three workers",
        expected: "found by computing blocks twice, settled by a third vote, the machine named",
        obstacle: { _ in "this build does not compute blocks twice on purpose, so a single wrong result cannot be told from a right one" }
    ) { _ in }

    static let notFinite = FaultRow(
        24, "A gradient that is not finite", injection: "failpoint worker.gradient=nan on one worker, alone and among three",
        expected: "the run ends with 76, naming step, slot and images, for any number of workers; healthy workers finish it"
    ) { drill in
        for count in [1, 3] {
            try drill.run("\(count) workers") { fleet in
                let coordinator = try fleet.start(minimumWorkers: count)
                let faulty = try fleet.worker(failing: "worker.gradient@\(drill.integer(3...12))=nan")
                let others = try (1..<count).map { _ in try fleet.worker(hasData: true) }
                try coordinator.expectExit(ExitCode.diverged)
                for worker in [faulty] + others { try worker.expectExit(ExitCode.diverged) }
                try drill.require(coordinator.says("slot ", "is not a finite number", "computed from \(fleet.run.data)"), coordinator.tail)
                try fleet.start()
                try fleet.finish([try fleet.worker(hasData: true)])
            }
        }
    }
}
