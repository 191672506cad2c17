/// Element types of safetensors files. Files may hold arrays of any of them; the floats among them can be read.
enum SafetensorsType: String, CaseIterable, Sendable {
    case bool = "BOOL"
    case u8 = "U8"
    case i8 = "I8"
    case f8e5m2 = "F8_E5M2"
    case f8e4m3 = "F8_E4M3"
    case f8e8m0 = "F8_E8M0"
    case i16 = "I16"
    case u16 = "U16"
    case f16 = "F16"
    case bf16 = "BF16"
    case i32 = "I32"
    case u32 = "U32"
    case f32 = "F32"
    case f64 = "F64"
    case i64 = "I64"
    case u64 = "U64"
    case c64 = "C64"

    /// Bytes an element.
    var size: Int {
        switch self {
        case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0: 1
        case .i16, .u16, .f16, .bf16: 2
        case .i32, .u32, .f32: 4
        case .f64, .i64, .u64, .c64: 8
        }
    }

    /// Little-endian elements as Float32: `F32` bit for bit, `F16` and `BF16` exactly, `F64` rounded to nearest; nil for other types.
    func floats(_ bytes: UnsafeRawBufferPointer) -> [Float]? {
        let count = bytes.count / size
        func map<Word: FixedWidthInteger>(_ convert: (Word) -> Float) -> [Float] {
            (0..<count).map { convert(Word(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * size, as: Word.self))) }
        }
        switch self {
        case .f32: return map { (bits: UInt32) in Float(bitPattern: bits) }
        case .bf16: return map { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }
        case .f16: return map(SafetensorsType.float(half:))
        case .f64: return map { (bits: UInt64) in Float(Double(bitPattern: bits)) }
        default: return nil
        }
    }

    /// IEEE half precision → Float32; infinities and the payloads of NaNs stay.
    static func float(half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16
        let exponent = UInt32(half >> 10) & 31
        let fraction = UInt32(half & 1023)
        switch exponent {
        case 0:
            // Subnormal: fraction · 2⁻²⁴, exact in Float32.
            let magnitude = Float(fraction) / 16_777_216
            return sign == 0 ? magnitude : -magnitude
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
