import Kernels
import TensorCore

/// How a learned table of positions is brought to the patch grid of another image size: bicubic convolution with a = −¾, no antialiasing, the
/// border repeated (spec 6.1). The two ways differ in where they sample.
public enum PositionResampling: String, Sendable, CaseIterable {
    /// To the new grid's size, at (i + ½)·from/to − ½: current versions of the transformers library.
    case size
    /// By the factor (to + 0.1)/from, at (i + ½)·from/(to + 0.1) − ½: DINOv2's own code, and transformers 4.37.2, which the official MergeVQ
    /// code runs on.
    case offset01

    /// A table `[1, 1 + grid², D]`, class token first, for a grid of `rows` × `columns`: `[1 + rows · columns, D]`. The table's own grid gets
    /// the table itself.
    func resampled(_ table: Tensor, grid: Int, rows: Int, columns: Int) -> Tensor {
        let width = table.shape[2]
        precondition(table.shape[1] == 1 + grid * grid, "a position table of shape \(table.shape) for a grid of \(grid)x\(grid)")
        if rows == grid && columns == grid { return table.reshaped([1 + grid * grid, width]) }
        let result = Tensor(zeros: [1 + rows * columns, width])
        result.pointer.update(from: table.pointer, count: width)
        let (down, across) = (taps(from: grid, to: rows), taps(from: grid, to: columns))
        for row in 0..<rows {
            for column in 0..<columns {
                let target = result.pointer + (1 + row * columns + column) * width
                for y in down[row] {
                    for x in across[column] {
                        accumulate(
                            table.pointer + (1 + y.position * grid + x.position) * width, times: Float(y.weight * x.weight), into: target,
                            count: width)
                    }
                }
            }
        }
        return result
    }

    /// For every position of the new axis the four old ones that it is made of.
    private func taps(from old: Int, to new: Int) -> [[(position: Int, weight: Double)]] {
        let step = Double(old) / (self == .size ? Double(new) : Double(new) + 0.1)
        return (0..<new).map { output in
            let center = (Double(output) + 0.5) * step - 0.5
            let first = Int(center.rounded(.down)) - 1
            return (first..<first + 4).map { (min(max($0, 0), old - 1), Self.cubic(center - Double($0))) }
        }
    }

    /// Keys' cubic convolution with a = −¾.
    private static func cubic(_ distance: Double) -> Double {
        let a = -0.75
        let x = abs(distance)
        return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    }
}
