#if canImport(Glibc)
import Glibc
#endif

/// The angles by which the cells of a square grid rotate queries and keys (two-axis RoPE, stage-2 spec 1.4): the first half of a head's pairs
/// turns with the row, the second with the column, pair i of a half by θᵢ = base^(−2i/(d/2)) a step. Prefix slots come before the cells.
public struct RotaryTable: Sendable {
    /// What prefix slots (class token, merge token) do to queries and keys.
    public enum PrefixRotation: String, Sendable, CaseIterable {
        /// cos = sin = 0, as all public code has it: their queries and keys become zero vectors.
        case zero
        /// cos = 1, sin = 0: no rotation.
        case identity
    }

    public let headWidth: Int
    /// Prefix slots: rows 0 ..< prefix of the table; cell n is row prefix + n.
    public let prefix: Int
    /// `[prefix + grid², headWidth / 2]` both.
    package let cosines: Tensor
    package let sines: Tensor

    /// - Parameters:
    ///   - headWidth: channels of a head, a multiple of 4.
    ///   - grid: cells per side.
    public init(headWidth: Int, grid: Int, prefix: Int, prefixRotation: PrefixRotation = .zero, base: Double = 10_000) {
        precondition(headWidth > 0 && headWidth % 4 == 0, "heads of \(headWidth) channels do not divide into pairs for two axes")
        self.headWidth = headWidth
        self.prefix = prefix
        let (pairs, half) = (headWidth / 2, headWidth / 4)
        let frequencies = (0..<half).map { pow(base, -2 * Double($0) / Double(pairs)) }
        cosines = Tensor(filledWith: prefixRotation == .identity ? 1 : 0, [prefix + grid * grid, pairs])
        sines = Tensor(zeros: cosines.shape)
        for cell in 0..<(grid * grid) {
            for pair in 0..<pairs {
                let angle = Double(pair < half ? cell / grid : cell % grid) * frequencies[pair % half]
                cosines.pointer[(prefix + cell) * pairs + pair] = Float(cos(angle))
                sines.pointer[(prefix + cell) * pairs + pair] = Float(sin(angle))
            }
        }
    }

    /// The rotations of a sequence whose tokens have the given rows of the table, the same in every sample.
    public func rotation(rows: [Int]) -> Rotation { rotation(rows: [rows]) }

    /// The rotations of sequences of equal length, one list of rows for each sample.
    public func rotation(rows: [[Int]]) -> Rotation {
        let (length, pairs) = (rows.first?.count ?? 0, headWidth / 2)
        precondition(rows.allSatisfy { $0.count == length }, "rotations of sequences of unequal length")
        func gathered(_ table: Tensor) -> Tensor {
            let result = Tensor(uninitialised: [rows.count, length, pairs])
            for (token, row) in rows.joined().enumerated() {
                precondition(row >= 0 && row < table.shape[0], "row \(row) of a rotary table of \(table.shape[0])")
                (result.pointer + token * pairs).update(from: table.pointer + row * pairs, count: pairs)
            }
            return result
        }
        return Rotation(cosines: gathered(cosines), sines: gathered(sines))
    }
}

/// The rotation of every token of a sequence: `[samples, t, headWidth / 2]`, where one sample stands for all.
public struct Rotation: Sendable {
    let cosines: Tensor
    let sines: Tensor

    var samples: Int { cosines.shape[0] }
    var length: Int { cosines.shape[1] }
    /// Pairs of channels in a head.
    var pairs: Int { cosines.shape[2] }
}
