// The inner loops of resampling: 8-bit samples, fixed-point weights, sums of 32 bits.
//
// Sizes are passed through a switch where the compiler needs them as constants to unroll; the numbers come out the same on every way.

private let half: Int32 = 1 << (ResamplingWeights.precisionBits - 1)

@inline(__always)
private func level(_ sum: Int32) -> Int32 { max(0, min(255, sum >> ResamplingWeights.precisionBits)) }

/// One row through the horizontal pass, RGBX in and RGB out: `out[j] = Σ_t in[start_j + t] · weight_jt`, rounded.
///
/// The stdlib's vectors are slow in many operations; these few compile to one instruction each, and two pixels in one 256-bit vector
/// take 0.10 ms an image of 500×375 where scalar code, which becomes 128-bit vectors of one pixel, takes 0.16 ms.
/// - Parameters:
///   - source: the row; 8 · pairs bytes are read from each start.
///   - starts: where each output's inputs begin, in bytes.
///   - weights: `[columns, pairs, 8]`: each weight four times.
///   - target: `3 · columns` bytes and one that is overwritten.
@inline(never)
func resampleRow(
    _ source: UnsafePointer<UInt8>, starts: UnsafePointer<Int32>, weights: UnsafePointer<Int32>, pairs: Int, columns: Int,
    into target: UnsafeMutablePointer<UInt8>
) {
    @inline(__always)
    func pass(_ pairs: Int) {
        for column in 0..<columns {
            let samples = UnsafeRawPointer(source + Int(starts[column]))
            let factors = UnsafeRawPointer(weights + column &* pairs &* 8)
            var sums = SIMD8<Int32>(repeating: 0)
            for pair in 0..<pairs {
                let two = SIMD8<Int32>(truncatingIfNeeded: samples.loadUnaligned(fromByteOffset: pair &* 8, as: SIMD8<UInt8>.self))
                sums = sums &+ two &* factors.loadUnaligned(fromByteOffset: pair &* 32, as: SIMD8<Int32>.self)
            }
            let sum = sums.lowHalf &+ sums.highHalf
            // Four bytes are one store; the next column, or whoever comes after the row, overwrites the fourth.
            let pixel = target + column &* 3
            for channel in 0..<4 { pixel[channel] = UInt8(truncatingIfNeeded: level(sum[channel] &+ half)) }
        }
    }
    switch pairs {
    case 1: pass(1)
    case 2: pass(2)
    case 3: pass(3)
    case 4: pass(4)
    default: pass(pairs)
    }
}

/// One output row of the vertical pass: `out[k] = Σ_t in[t, k] · weight_t`, rounded to 8 bits.
/// - Parameters:
///   - source: `taps` rows, `stride` bytes apart.
///   - sums: room for `count` numbers.
@inline(never)
func resampleColumns(
    _ source: UnsafePointer<UInt8>, stride: Int, weights: UnsafePointer<Int32>, taps: Int, sums: UnsafeMutablePointer<Int32>,
    count: Int, into target: UnsafeMutablePointer<UInt8>
) {
    columns(source, stride, weights, taps, sums, count) { target[$0] = UInt8(truncatingIfNeeded: $1) }
}

/// `resampleColumns` with the levels as floats in [−1, 1]: (level/255 − ½)/½, rounded as torchvision's ToTensor and Normalize do.
@inline(never)
func resampleColumnsToFloats(
    _ source: UnsafePointer<UInt8>, stride: Int, weights: UnsafePointer<Int32>, taps: Int, sums: UnsafeMutablePointer<Int32>,
    count: Int, into target: UnsafeMutablePointer<Float>
) {
    columns(source, stride, weights, taps, sums, count) { target[$0] = (Float($1) / 255 - 0.5) / 0.5 }
}

/// `resampleColumns` with the levels as floats of given means and deviations, `[count]`: (level/255 − mean)/deviation.
@inline(never)
func resampleColumnsToFloats(
    _ source: UnsafePointer<UInt8>, stride: Int, weights: UnsafePointer<Int32>, taps: Int, sums: UnsafeMutablePointer<Int32>,
    count: Int, means: UnsafePointer<Float>, deviations: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>
) {
    columns(source, stride, weights, taps, sums, count) { target[$0] = (Float($1) / 255 - means[$0]) / deviations[$0] }
}

@inline(__always)
private func columns(
    _ source: UnsafePointer<UInt8>, _ stride: Int, _ weights: UnsafePointer<Int32>, _ taps: Int, _ sums: UnsafeMutablePointer<Int32>,
    _ count: Int, _ store: (Int, Int32) -> Void
) {
    @inline(__always)
    func pass(_ taps: Int) {
        for k in 0..<count {
            var sum = half
            for tap in 0..<taps { sum &+= Int32(source[tap &* stride &+ k]) &* weights[tap] }
            store(k, level(sum))
        }
    }
    switch taps {
    case 1: pass(1)
    case 2: pass(2)
    case 3: pass(3)
    case 4: pass(4)
    case 5: pass(5)
    case 6: pass(6)
    case 7: pass(7)
    case 8: pass(8)
    default:
        for k in 0..<count { sums[k] = half }
        for tap in 0..<taps {
            let row = source + tap &* stride
            let weight = weights[tap]
            for k in 0..<count { sums[k] &+= Int32(row[k]) &* weight }
        }
        for k in 0..<count { store(k, level(sums[k])) }
    }
}
