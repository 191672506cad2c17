import ArgumentParser
import CommandSupport
import Training

@main
struct Main {
    static func main() { Launch.main(MVQ.self) }
}

/// `mvq`: everything around training.
struct MVQ: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mvq",
        abstract: "Datasets, reconstruction, checkpoints, keys, simulated fleets and measurements of MergeVQ.",
        discussion: "Training itself is mvq-coordinator (one) and mvq-worker (any number).",
        version: BuildVersion.current,
        subcommands: [
            DatasetCommand.self,
            ReconstructCommand.self,
            GenerateCommand.self,
            TokenizeCommand.self,
            InspectCommand.self,
            AuditCommand.self,
            ReplayCommand.self,
            ImportCommand.self,
            ExportCommand.self,
            SimulateCommand.self,
            ChaosCommand.self,
            KeygenCommand.self,
            BenchCommand.self,
            DoctorCommand.self,
        ])
}
