import Foundation
import TensorCore

/// One synthetic picture: everything about it is drawn when it is made, rendering adds nothing random.
struct SyntheticScene: Sendable {
    /// One shape on the picture.
    private struct Figure {
        let shape: Shape
        let fill: Texture
        let x: Double
        let y: Double
        let radius: Double
        let cosine: Double
        let sine: Double
        /// Width over height.
        let stretch: Double
        /// Width of a dark outline in radii, 0 for none.
        let outline: Double
        /// Darkness of the shadow, 0 for none.
        let shadow: Double

        /// Signed distance in units of the picture.
        func distance(_ px: Double, _ py: Double) -> Double {
            let (dx, dy) = ((px - x) / radius, (py - y) / radius)
            return shape.distance((dx * cosine + dy * sine) / stretch, (dy * cosine - dx * sine) * stretch) * radius
        }
    }

    private let background: Texture
    private let figures: [Figure]
    private let light: (x: Double, y: Double)
    private let grain: UInt64

    init(_ category: SyntheticClass, _ draws: inout Draws) {
        switch category.motif {
        case .texture:
            background = Self.classTexture(category, &draws, frequency: draws.number(2.5, 8))
            figures = []
        case .shape(let shape):
            background = Self.backdrop(&draws)
            let roll = draws.number(0, 1)
            let count = roll < 0.5 ? 1 : roll < 0.8 ? 2 : 3
            var figures: [Figure] = []
            for _ in 0..<count {
                let radius = draws.number(0.2, 0.42) / Double(count).squareRoot()
                let angle = draws.number(0, 2 * .pi)
                figures.append(
                    Figure(
                        shape: shape, fill: Self.classTexture(category, &draws, frequency: draws.number(4, 11)),
                        x: draws.number(0.8 * radius, 1 - 0.8 * radius), y: draws.number(0.8 * radius, 1 - 0.8 * radius),
                        radius: radius, cosine: cos(angle), sine: sin(angle), stretch: draws.number(0.85, 1.18),
                        outline: draws.number(0, 1) < 0.35 ? draws.number(0.06, 0.14) : 0,
                        shadow: draws.number(0, 1) < 0.6 ? draws.number(0.25, 0.6) : 0))
            }
            self.figures = figures
        }
        let direction = draws.number(0, 2 * .pi)
        let strength = draws.number(0, 0.45)
        light = (cos(direction) * strength, sin(direction) * strength)
        grain = draws.bits()
    }

    /// A pattern in the colours of the class.
    private static func classTexture(_ category: SyntheticClass, _ draws: inout Draws, frequency: Double) -> Texture {
        let hue = category.hue + draws.number(-0.05, 0.05)
        let first = Colour(hue: hue, saturation: draws.number(0.55, 0.95), value: draws.number(0.65, 1))
        let second = Colour(
            hue: hue + category.contrast, saturation: draws.number(0.3, 0.9), value: draws.number(0.25, 0.95))
        return Texture(
            kind: category.pattern, first: first, second: second,
            frequency: frequency, angle: draws.number(0, 2 * .pi), phase: (draws.number(0, 1), draws.number(0, 1)),
            seed: draws.bits())
    }

    /// A muted pattern of any kind and hue.
    private static func backdrop(_ draws: inout Draws) -> Texture {
        let kinds: [Texture.Kind] = [.solid, .gradient, .gradient, .noise, .noise, .waves, .stripes, .checkerboard]
        let hue = draws.number(0, 1)
        let value = draws.number(0.25, 0.9)
        let first = Colour(hue: hue, saturation: draws.number(0.05, 0.4), value: value)
        let second = Colour(
            hue: hue + draws.number(-0.15, 0.15), saturation: draws.number(0.05, 0.4),
            value: value + (value > 0.55 ? -1 : 1) * draws.number(0.1, 0.35))
        return Texture(
            kind: kinds[draws.integer(below: kinds.count)], first: first, second: second,
            frequency: draws.number(2, 7), angle: draws.number(0, 2 * .pi),
            phase: (draws.number(0, 1), draws.number(0, 1)), seed: draws.bits())
    }

    /// The picture at `size`×`size` pixels, each the mean of 2×2 points.
    func rendered(size: Int) -> RGBImage {
        let pixel = 1 / Double(size)
        return RGBImage(width: size, height: size) { target in
            for row in 0..<size {
                for column in 0..<size {
                    var (red, green, blue) = (0.0, 0.0, 0.0)
                    for point in 0..<4 {
                        let x = (Double(column) + 0.25 + 0.5 * Double(point & 1)) * pixel
                        let y = (Double(row) + 0.25 + 0.5 * Double(point >> 1)) * pixel
                        let colour = self.colour(x, y, pixel / 2)
                        red += colour.red
                        green += colour.green
                        blue += colour.blue
                    }
                    let noise = Noise.value(Double(column) * 0.7, Double(row) * 0.7, grain)
                    let factor = 255 * (0.97 + 0.06 * noise) / 4
                    let index = (row * size + column) * 3
                    target[index] = Self.level(red * factor)
                    target[index + 1] = Self.level(green * factor)
                    target[index + 2] = Self.level(blue * factor)
                }
            }
        }
    }

    private static func level(_ value: Double) -> UInt8 { UInt8(max(0, min(255, value.rounded()))) }

    private func colour(_ x: Double, _ y: Double, _ pixel: Double) -> Colour {
        var colour = background.colour(x, y, pixel: pixel)
        for figure in figures {
            if figure.shadow > 0 {
                // Behind and below the figure, fading over a third of its radius.
                let depth = figure.distance(x - 0.12 * figure.radius, y - 0.16 * figure.radius)
                let cover = max(0, min(1, 0.5 - depth / (0.35 * figure.radius)))
                colour = colour.scaled(1 - figure.shadow * cover)
            }
            let distance = figure.distance(x, y)
            let cover = max(0, min(1, 0.5 - distance / pixel))
            guard cover > 0 else { continue }
            var fill = figure.fill.colour(x - figure.x + 0.5, y - figure.y + 0.5, pixel: pixel)
            if figure.outline > 0 {
                let inside = max(0, min(1, 0.5 + (distance + figure.outline * figure.radius) / pixel))
                fill = fill.scaled(1 - 0.75 * inside)
            }
            colour = colour.mixed(fill, cover)
        }
        return colour.scaled(1 + light.x * (x - 0.5) + light.y * (y - 0.5))
    }
}

/// Random numbers of one picture, drawn in order from a keyed generator.
struct Draws {
    private let random: Philox
    private let step: Int
    private let sample: Int
    private var draw = 0

    init(_ random: Philox, step: Int, sample: Int) {
        self.random = random
        self.step = step
        self.sample = sample
    }

    mutating func bits() -> UInt64 {
        defer { draw += 1 }
        return random.bits(step: step, sample: sample, draw: draw)
    }

    /// Uniform between two bounds.
    mutating func number(_ low: Double, _ high: Double) -> Double {
        low + (high - low) * Double(bits() >> 11) * 0x1p-53
    }

    mutating func integer(below count: Int) -> Int { min(Int(number(0, Double(count))), count - 1) }
}
