import ArgumentParser

/// `mvq bench`.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures this machine: training steps, operations, image decoding.",
        subcommands: [BenchStep.self, BenchOps.self, BenchData.self])
}
