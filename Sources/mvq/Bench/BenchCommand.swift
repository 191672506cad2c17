import ArgumentParser

/// `mvq bench`.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures this machine: training steps, generation, operations, matrix products, image decoding, checkpoints, the network.",
        subcommands: [
            BenchStep.self,
            BenchGenerator.self,
            BenchDecode.self,
            BenchOps.self,
            BenchGemm.self,
            BenchData.self,
            BenchCheckpoint.self,
            BenchExchange.self,
            BenchReconnect.self,
            BenchStraggler.self,
            ExchangeWorkerCommand.self,
            ReconnectCoordinatorCommand.self,
            ReconnectWorkersCommand.self,
        ])
}

/// Checks a count given on the command line.
func validateCount(_ name: String, _ value: Int) throws {
    guard value >= 1 else { throw ValidationError("\(name) is \(value); it must be 1 or more") }
}
