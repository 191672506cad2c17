// Winograd's F(4×4, 3×3): weights to the 36 planes, and the planes' gradients back.
internal import CFloat

/// Some columns of a weight as nine planes that lie as products want them: out[tap][row][column].
///
/// - Parameters:
///   - weight: [rows, 3, 3, all columns], the columns from the first that is wanted.
///   - turned: takes the kernel turned by 180°, as the data gradient needs it.
///   - planeStride: floats from one plane of `out` to the next.
@inline(never)
package func winogradTaps(
    _ weight: UnsafePointer<Float>, rowStride: Int, turned: Bool, rows: Int, columns: Int, into out: UnsafeMutablePointer<Float>,
    planeStride: Int
) {
    let tapStride = rowStride / 9
    for row in 0..<rows {
        for tap in 0..<9 {
            let source = weight + (row &* rowStride &+ (turned ? 8 &- tap : tap) &* tapStride)
            let target = out + (tap &* planeStride &+ row &* columns)
            for c in 0..<columns { target[c] = source[c] }
        }
    }
}

/// The same with rows and columns exchanged: weight [columns, 3, 3, rows] → out[tap][row][column], for `rows` of them.
@inline(never)
package func winogradTransposedTaps(
    _ weight: UnsafePointer<Float>, columnStride: Int, rows: Int, columns: Int, into out: UnsafeMutablePointer<Float>, planeStride: Int,
    outStride: Int
) {
    let tapStride = columnStride / 9
    for tap in 0..<9 {
        transpose(
            weight + tap &* tapStride, stride: columnStride, rows: columns, columns: rows, into: out + tap &* planeStride, outStride: outStride)
    }
}

/// out[c][r] = x[r][c], in squares that stay in registers and cache.
@inline(__always)
func transpose(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, into out: UnsafeMutablePointer<Float>, outStride: Int
) {
    let side = 8
    var row = 0
    while row < rows {
        let height = rows &- row < side ? rows &- row : side
        for column in 0..<columns {
            let target = out + (column &* outStride &+ row)
            let source = x + (row &* stride &+ column)
            if height == side {
                for r in 0..<side { target[r] = source[r &* stride] }
            } else {
                for r in 0..<height { target[r] = source[r &* stride] }
            }
        }
        row &+= side
    }
}

/// The six planes 6·y … 6·y + 5 of U = G·g·Gᵀ from nine planes of weights.
///
/// - Parameters:
///   - taps: g, nine planes `tapStride` floats apart.
///   - scratch: 3 · 512 floats.
///   - out: plane 6·y; planes `planeStride` floats apart.
@inline(never)
package func winogradWeightTransform(
    _ taps: UnsafePointer<Float>, tapStride: Int, y: Int, count: Int, scratch: UnsafeMutablePointer<Float>,
    into out: UnsafeMutablePointer<Float>, planeStride: Int
) {
    let (a, b, c) = winogradWeightRow(y)
    let chunk = 512
    var start = 0
    while start < count {
        let size = count &- start < chunk ? count &- start : chunk
        for kx in 0..<3 {
            let g = taps + (kx &* tapStride &+ start)
            let line = scratch + kx &* chunk
            winograd_weight_row(a, b, c, g, 3 &* tapStride, line, size)
        }
        winograd_weight_line(scratch, chunk, out + start, planeStride, size)
        start &+= size
    }
}

/// A row of G.
@inline(__always)
private func winogradWeightRow(_ y: Int) -> (Float, Float, Float) {
    switch y {
    case 0: (0.25, 0, 0)
    case 1: (-1 / 6, -1 / 6, -1 / 6)
    case 2: (-1 / 6, 1 / 6, -1 / 6)
    case 3: (1 / 24, 1 / 12, 1 / 6)
    case 4: (1 / 24, -1 / 12, 1 / 6)
    default: (0, 0, 1)
    }
}

/// dU[36][inputs] of one output → adds Gᵀ·dU·G to `weightGradient [3, 3, inputs]`; planes are `planeStride` apart; `scratch` holds 18 · inputs floats.
@inline(never)
package func winogradWeightGradientTransform(
    _ gradient: UnsafePointer<Float>, planeStride: Int, inputs: Int, scratch: UnsafeMutablePointer<Float>,
    into weightGradient: UnsafeMutablePointer<Float>
) {
    for x in 0..<6 {
        winograd_weight_gradient_line(
            gradient + x &* planeStride, 6 &* planeStride, 0, scratch + x &* inputs, 6 &* inputs, inputs)
    }
    for ky in 0..<3 {
        winograd_weight_gradient_line(
            scratch + 6 &* ky &* inputs, inputs, 1, weightGradient + 3 &* ky &* inputs, inputs, inputs)
    }
}
