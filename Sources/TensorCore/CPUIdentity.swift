internal import CFloat

/// A processor as it names itself.
public struct CPUIdentity: Sendable, Equatable {
    /// E.g. `AuthenticAMD`, `GenuineIntel`; empty where there is no CPUID.
    public let vendor: String
    /// The display family: 25 for Zen 3 and 4, 26 for Zen 5, 6 for Intel's.
    public let family: Int
    public let model: Int
    /// E.g. `AMD EPYC 9654 96-Core Processor`; empty if it has none.
    public let name: String
    public let features: Features

    /// What decides which kernels a processor can run.
    public struct Features: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// x86-64-v3: AVX2 and FMA.
        public static let avx2 = Features(rawValue: 1)
        /// x86-64-v4: AVX-512 F, BW, CD, DQ, VL, and a system that saves its registers.
        public static let avx512 = Features(rawValue: 2)
    }

    /// The processor that runs this program.
    public static let current = CPUIdentity()

    private init() {
        let (highest, vendorWords) = CPUIdentity.leaf(0)
        vendor = CPUIdentity.text([vendorWords[0], vendorWords[2], vendorWords[1]])
        (family, model) = highest >= 1 ? CPUIdentity.familyAndModel(CPUIdentity.leaf(1).eax) : (0, 0)
        let names: [UInt32] = [0x8000_0002, 0x8000_0003, 0x8000_0004]
        name = CPUIdentity.leaf(0x8000_0000).eax >= 0x8000_0004
            ? CPUIdentity.text(names.flatMap { leaf in
                let (eax, others) = CPUIdentity.leaf(leaf)
                return [eax] + others
            }) : ""
        var features: Features = []
        #if arch(x86_64)
        if cpu_runs_avx2() { features.insert(.avx2) }
        #endif
        if cpu_runs_avx512() { features.insert(.avx512) }
        self.features = features
    }

    /// Display family and model from the signature in eax of leaf 1.
    package static func familyAndModel(_ signature: UInt32) -> (family: Int, model: Int) {
        let base = Int(signature >> 8 & 0xF)
        let family = base == 0xF ? base + Int(signature >> 20 & 0xFF) : base
        let low = Int(signature >> 4 & 0xF)
        return (family, base == 0xF || base == 6 ? low | Int(signature >> 16 & 0xF) << 4 : low)
    }

    /// eax, and ebx, ecx, edx.
    private static func leaf(_ number: UInt32) -> (eax: UInt32, others: [UInt32]) {
        var registers: [UInt32] = [0, 0, 0, 0]
        cpu_identification(number, &registers)
        return (registers[0], Array(registers[1...]))
    }

    /// Four characters a word, up to a zero, without the spaces around.
    private static func text(_ words: [UInt32]) -> String {
        let bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        return text.split(separator: " ").joined(separator: " ")
    }
}
