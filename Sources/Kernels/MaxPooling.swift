// Maxima over 2×2 pixels, one line of the result at a time.

/// One line of maxima from two lines of a map: out[x, c] = max of the pixels 2x, 2x + 1 of both lines; an odd last column is left out.
///
/// - Parameter width: pixels of a line of the map.
@inline(never)
package func maxPoolLine(_ lines: UnsafePointer<Float>, width: Int, channels: Int, into out: UnsafeMutablePointer<Float>) {
    for x in 0..<(width / 2) {
        let a = lines + 2 &* x &* channels
        let b = a + channels
        let c = a + width &* channels
        let d = c + channels
        let target = out + x &* channels
        for i in 0..<channels {
            let upper = b[i] > a[i] ? b[i] : a[i]
            let lower = d[i] > c[i] ? d[i] : c[i]
            target[i] = lower > upper ? lower : upper
        }
    }
}

/// The gradient of `maxPoolLine` for both lines: it goes to the largest of the four pixels, to the first in raster order among equals.
@inline(never)
package func maxPoolLineBackward(
    _ lines: UnsafePointer<Float>, gradient: UnsafePointer<Float>, width: Int, channels: Int, into out: UnsafeMutablePointer<Float>
) {
    let line = width &* channels
    for x in 0..<(width / 2) {
        let offset = 2 &* x &* channels
        let a = lines + offset
        let c = a + line
        let target = out + offset
        let dy = gradient + x &* channels
        for i in 0..<channels {
            let right = a[channels &+ i] > a[i]
            let upper = right ? a[channels &+ i] : a[i]
            let lowerRight = c[channels &+ i] > c[i]
            let below = (lowerRight ? c[channels &+ i] : c[i]) > upper
            let above = below ? 0 : dy[i]
            let under = below ? dy[i] : 0
            target[i] = right ? 0 : above
            target[channels &+ i] = right ? above : 0
            target[line &+ i] = lowerRight ? 0 : under
            target[line &+ channels &+ i] = lowerRight ? under : 0
        }
    }
    if width % 2 == 1 {
        for i in (line &- channels)..<line {
            out[i] = 0
            out[line &+ i] = 0
        }
    }
}
