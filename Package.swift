// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: Swift 6 mode, nothing compiles with a warning.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

#if arch(x86_64)
/// The loops of the compute engine are compiled for AVX2 + FMA in every configuration, or for AVX-512 with `MVQ_CPU_LEVEL=x86-64-v4 swift build`;
/// `NumericEnvironment` checks the machine at start.
let level = Context.environment["MVQ_CPU_LEVEL"] ?? "x86-64-v3"
let vectorised: [SwiftSetting] = [
    .unsafeFlags(["-O", "-Xcc", "-march=\(level)"] + (level == "x86-64-v4" ? ["-Xcc", "-mprefer-vector-width=512"] : []))
]
#else
let vectorised: [SwiftSetting] = [.unsafeFlags(["-O"])]
#endif

func target(_ name: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict + settings)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name), "TestKit"] + dependencies, swiftSettings: strict)
}

func command(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies + ["Training", "CommandSupport", argumentParser], swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

// Layers, lowest first; a target depends only on targets above it in this file. docs/architecture.md says what each one holds.
let package = Package(
    name: "mergevq",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "CFloat", cSettings: [.unsafeFlags(["-O3"])]),
        .target(name: "CChecksums"),

        target("Failpoints", []),
        target("Checksums", ["CCrypto", "CChecksums"], settings: [.unsafeFlags(["-O"])]),
        target("Kernels", ["CFloat"], settings: vectorised),
        target("TensorCore", ["Kernels", "CFloat", "CBLAS"], settings: vectorised),
        target("NeuralNet", ["TensorCore", "Kernels"], settings: [.unsafeFlags(["-O"])]),
        target("MergeVQ", ["NeuralNet", "TensorCore", "Kernels"], settings: [.unsafeFlags(["-O"])]),
        target("Evaluation", ["MergeVQ", "NeuralNet", "TensorCore"], settings: [.unsafeFlags(["-O"])]),
        target("Generators", ["NeuralNet", "TensorCore", "Kernels"], settings: [.unsafeFlags(["-O"])]),
        target("ImageData", ["TensorCore", "Checksums", "CTurboJPEG", "CPNG"], settings: vectorised),
        target("Checkpoints", ["Checksums", "Failpoints", "CHDF5"]),
        target("Telemetry", []),
        target("Fleet", []),
        target("Simulation", ["Fleet", "Checksums"]),
        target("Transport", ["Fleet", "Checksums", "Failpoints", "CZeroMQ"]),
        target(
            "Training",
            [
                "Evaluation", "Generators", "MergeVQ", "NeuralNet", "TensorCore", "ImageData", "Checkpoints", "Checksums", "Telemetry", "Fleet",
                "Transport", "Failpoints", yams,
            ]),
        target(
            "Chaos", ["Training", "Transport", "Fleet", "Checkpoints", "Checksums", "ImageData", "TensorCore", "Failpoints"]),
        target("CommandSupport", ["Training", "Failpoints", argumentParser]),

        command("mvq-coordinator", ["Fleet", "Telemetry", "Transport"]),
        command("mvq-worker", ["Fleet", "Transport", "ImageData", logging]),
        command(
            "mvq",
            [
                "ImageData", "Checkpoints", "Telemetry", "MergeVQ", "Generators", "NeuralNet", "TensorCore", "Kernels", "Fleet", "Transport",
                "Simulation", "Chaos", "CZeroMQ", "CHDF5", "CPNG", "CCrypto",
            ]),

        .target(name: "TestKit", dependencies: ["NeuralNet", "TensorCore", "Checkpoints"], path: "Tests/TestKit", swiftSettings: strict),
        tests(of: "Failpoints"),
        tests(of: "Checksums"),
        tests(of: "TensorCore", ["Kernels"]),
        tests(of: "NeuralNet", ["TensorCore"]),
        tests(of: "MergeVQ", ["NeuralNet", "TensorCore"]),
        tests(of: "Evaluation", ["MergeVQ", "NeuralNet", "TensorCore"]),
        tests(of: "Generators", ["NeuralNet", "TensorCore"]),
        tests(of: "ImageData", ["Checksums", "TensorCore"]),
        tests(of: "Checkpoints", ["Checksums", "Failpoints"]),
        tests(of: "Telemetry"),
        tests(of: "Fleet"),
        tests(of: "Simulation", ["Fleet"]),
        tests(of: "Transport"),
        tests(of: "Chaos", ["TensorCore", "Transport"]),
        tests(
            of: "Training",
            ["Generators", "MergeVQ", "NeuralNet", "TensorCore", "ImageData", "Checkpoints", "Checksums", "Fleet", "Transport"]),
    ]
)
