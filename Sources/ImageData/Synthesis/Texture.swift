import Foundation
import TensorCore

/// A colour with components in [0, 1].
struct Colour: Sendable {
    var red: Double
    var green: Double
    var blue: Double

    /// `hue` in turns (any number), `saturation` and `value` in [0, 1].
    init(hue: Double, saturation: Double, value: Double) {
        func component(_ shift: Double) -> Double {
            let sixth = (hue - hue.rounded(.down)) * 6 + shift
            let position = sixth >= 6 ? sixth - 6 : sixth
            return value * (1 - saturation * max(0, min(position, 4 - position, 1)))
        }
        red = component(5)
        green = component(3)
        blue = component(1)
    }

    /// From this colour (0) to `other` (1).
    func mixed(_ other: Colour, _ amount: Double) -> Colour {
        var result = self
        result.red += (other.red - red) * amount
        result.green += (other.green - green) * amount
        result.blue += (other.blue - blue) * amount
        return result
    }

    func scaled(_ factor: Double) -> Colour {
        var result = self
        result.red *= factor
        result.green *= factor
        result.blue *= factor
        return result
    }
}

/// Smooth random fields by interpolating hashed lattice values.
enum Noise {
    /// Value noise in [0, 1], one feature per unit length.
    static func value(_ x: Double, _ y: Double, _ seed: UInt64) -> Double {
        let (column, row) = (x.rounded(.down), y.rounded(.down))
        let (u, v) = (smooth(x - column), smooth(y - row))
        let (i, j) = (Int(column), Int(row))
        let top = lattice(i, j, seed) * (1 - u) + lattice(i + 1, j, seed) * u
        let bottom = lattice(i, j + 1, seed) * (1 - u) + lattice(i + 1, j + 1, seed) * u
        return top * (1 - v) + bottom * v
    }

    /// Three octaves of value noise in [0, 1], its contrast raised so that the extremes occur.
    static func cloud(_ x: Double, _ y: Double, _ seed: UInt64) -> Double {
        let sum = value(x, y, seed) * 4 + value(x * 2, y * 2, seed &+ 1) * 2 + value(x * 4, y * 4, seed &+ 2)
        return max(0, min(1, (sum / 7 - 0.5) * 1.8 + 0.5))
    }

    private static func smooth(_ t: Double) -> Double { t * t * (3 - 2 * t) }

    private static func lattice(_ i: Int, _ j: Int, _ seed: UInt64) -> Double {
        let cell = UInt64(truncatingIfNeeded: i) &* 0x9E37_79B1 &+ UInt64(truncatingIfNeeded: j) &* 0x85EB_CA77_C2B2
        return Double(Philox.mix(cell ^ seed) >> 11) * 0x1p-53
    }
}

/// A two-coloured pattern over the plane; the picture is the unit square.
struct Texture: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case solid, stripes, checkerboard, dots, gradient, noise, waves
    }

    let kind: Kind
    let first: Colour
    let second: Colour
    /// Periods across the picture.
    let frequency: Double
    let phase: (x: Double, y: Double)
    let seed: UInt64
    private let cosine: Double
    private let sine: Double

    init(
        kind: Kind, first: Colour, second: Colour, frequency: Double, angle: Double, phase: (x: Double, y: Double),
        seed: UInt64
    ) {
        self.kind = kind
        self.first = first
        self.second = second
        self.frequency = frequency
        self.phase = phase
        self.seed = seed
        cosine = cos(angle)
        sine = sin(angle)
    }

    /// The colour at a point; edges inside the pattern are softened over the width `pixel`.
    func colour(_ x: Double, _ y: Double, pixel: Double) -> Colour {
        first.mixed(second, amount(x, y, pixel * frequency))
    }

    /// 0 for the first colour, 1 for the second.
    private func amount(_ x: Double, _ y: Double, _ softness: Double) -> Double {
        let along = (x * cosine + y * sine) * frequency + phase.x
        let across = (y * cosine - x * sine) * frequency + phase.y
        switch kind {
        case .solid: return 0
        case .stripes: return Self.wave(along, softness)
        case .checkerboard:
            let (a, b) = (Self.wave(along, softness), Self.wave(across, softness))
            return a + b - 2 * a * b
        case .dots:
            let (u, v) = (along - along.rounded(), across - across.rounded())
            return Self.step(0.3 - (u * u + v * v).squareRoot(), softness)
        case .gradient:
            let centred = ((x - 0.5) * cosine + (y - 0.5) * sine) * 1.1 + 0.5
            return max(0, min(1, centred))
        case .noise: return Noise.cloud(along, across, seed)
        case .waves: return 0.5 + 0.5 * sin(2 * .pi * (along + 0.35 * sin(2 * .pi * across * 0.6)))
        }
    }

    /// A square wave of period 1 with softened edges.
    private static func wave(_ t: Double, _ softness: Double) -> Double {
        let position = t - t.rounded(.down)
        return step(0.25 - abs(position - 0.5), softness)
    }

    /// 0 below zero, 1 above, a ramp of the given width between.
    private static func step(_ t: Double, _ width: Double) -> Double { max(0, min(1, t / max(width, 1e-6) + 0.5)) }
}
