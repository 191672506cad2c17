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
        23, "Worker flips a bit of a gradient", injection: "failpoint worker.gradient=flip on one of three workers, once and always, all steps computed twice",
        expected: "settled by a third vote; the worker is named, shut out (69) and its step begins anew"
    ) { drill in
        for (name, visits) in [("once", "\(drill.integer(2...20))"), ("always", "1+")] {
            try drill.run(name) { fleet in
                fleet.arguments = ["--audit-share", "1"]
                let coordinator = try fleet.start(minimumWorkers: 3)
                let faulty = try fleet.worker(hasData: true, failing: "worker.gradient@\(visits)=flip")
                let others = try (0..<2).map { try fleet.worker(hasData: $0 == 0) }
                try faulty.expectExit(ExitCode.unavailable)
                try drill.require(coordinator.says(":\(faulty.processID) computes wrongly", "test its memory"), coordinator.tail)
                try fleet.finish(others)
                try drill.require(coordinator.count("Its machine is kept away for ") == 1, "others were blamed as well\n  \(coordinator.tail)")
                // What it flips once may be a check, whose result is used nowhere.
                try drill.require(name == "once" || coordinator.says(" begins anew"), "no step began anew\n  \(coordinator.tail)")
            }
        }
    }

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
