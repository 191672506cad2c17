import Foundation
import TensorCore
import Testing

@Suite struct NumericEnvironmentTests {
    struct Machine: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let vendor: String
        let family: Int
        let features: CPUIdentity.Features
        let best: String
    }

    @Test(arguments: [
        Machine(testDescription: "Intel Haswell", vendor: "GenuineIntel", family: 6, features: [.avx2], best: "Haswell"),
        Machine(testDescription: "Intel Skylake server", vendor: "GenuineIntel", family: 6, features: [.avx2, .avx512], best: "SkylakeX"),
        Machine(testDescription: "AMD Zen 2", vendor: "AuthenticAMD", family: 23, features: [.avx2], best: "Haswell"),
        Machine(testDescription: "AMD Zen 3", vendor: "AuthenticAMD", family: 25, features: [.avx2], best: "Haswell"),
        Machine(testDescription: "AMD Zen 4", vendor: "AuthenticAMD", family: 25, features: [.avx2, .avx512], best: "Haswell"),
        Machine(testDescription: "AMD Zen 5", vendor: "AuthenticAMD", family: 26, features: [.avx2, .avx512], best: "SkylakeX"),
        Machine(
            testDescription: "AMD Zen 5 whose system or hypervisor hides AVX-512", vendor: "AuthenticAMD", family: 26, features: [.avx2],
            best: "Haswell"),
        Machine(testDescription: "unknown", vendor: "", family: 0, features: [], best: "Haswell"),
    ])
    func theFastestKernelsOfACPU(_ machine: Machine) {
        #expect(
            NumericEnvironment.fastestFamily(vendor: machine.vendor, family: machine.family, features: machine.features) == machine.best)
    }

    @Test func aFamilyThatTheCPUCannotRunIsRefused() throws {
        for family in ["SkylakeX", "skylakex", "Cooperlake", "SapphireRapids"] {
            let objection = try #require(NumericEnvironment.objection(to: family, features: [.avx2]))
            #expect(objection.contains("OPENBLAS_CORETYPE=\(family)") && objection.contains("set it to Haswell"))
            #expect(NumericEnvironment.objection(to: family, features: [.avx2, .avx512]) == nil)
        }
        #expect(NumericEnvironment.objection(to: "Haswell", features: [.avx2]) == nil)
    }

    /// Signatures as published by the makers.
    @Test func familyAndModelOfASignature() {
        #expect(CPUIdentity.familyAndModel(0x00A1_0F11) == (25, 17), "EPYC 9004, Zen 4")
        #expect(CPUIdentity.familyAndModel(0x00B0_0F21) == (26, 2), "EPYC 9005, Zen 5")
        #expect(CPUIdentity.familyAndModel(0x0005_0654) == (6, 85), "Skylake server")
        #expect(CPUIdentity.familyAndModel(0x0003_06C3) == (6, 60), "Haswell")
        #expect(CPUIdentity.familyAndModel(0x0000_0543) == (5, 4), "Pentium MMX: no extended fields")
    }

    #if arch(x86_64) && os(Linux)
    @Test func thisMachineIsWhatTheSystemSays() throws {
        let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        func value(_ key: String) -> String? {
            text.split(separator: "\n").first { $0.split(separator: ":")[0].trimmingCharacters(in: .whitespaces) == key }?
                .split(separator: ":").dropFirst().joined(separator: ":").trimmingCharacters(in: .whitespaces)
        }
        let cpu = CPUIdentity.current
        #expect(cpu.vendor == value("vendor_id"))
        #expect(String(cpu.family) == value("cpu family"))
        #expect(String(cpu.model) == value("model"))
        #expect(cpu.name == value("model name").map { $0.split(separator: " ").joined(separator: " ") })
        let flags = Set((value("flags") ?? "").split(separator: " "))
        #expect(cpu.features.contains(.avx2) == flags.isSuperset(of: ["avx2", "fma", "bmi2", "f16c"]))
        #expect(cpu.features.contains(.avx512) == flags.isSuperset(of: ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]))
    }
    #endif

    @Test func theNumericClassNamesItsParts() {
        let numericClass = NumericEnvironment.numericClass
        #expect(numericClass.hasPrefix("OpenBLAS "))
        #expect(NumericEnvironment.family(ofClass: numericClass) == NumericEnvironment.kernelFamily)
        #expect(numericClass.contains(NumericEnvironment.level) && numericClass.hasSuffix(NumericEnvironment.compiler))
        #expect(NumericEnvironment.family(ofClass: "OpenBLAS 0.3.21 Haswell, x86-64-v3") == "Haswell", "of a run of an earlier release")
    }
}
