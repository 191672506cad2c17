import Foundation

/// Outlines by signed distance: negative inside, positive outside, in units of the shape's radius.
enum Shape: String, CaseIterable, Sendable {
    case disc, square, triangle, ring, star, cross, hexagon, crescent

    func distance(_ x: Double, _ y: Double) -> Double {
        let radius = (x * x + y * y).squareRoot()
        switch self {
        case .disc: return radius - 0.9
        case .square: return max(abs(x), abs(y)) - 0.78
        case .triangle: return polygon(x, y, sides: 3) - 0.55
        case .hexagon: return polygon(x, y, sides: 6) - 0.82
        case .ring: return abs(radius - 0.68) - 0.24
        case .cross:
            let (long, short) = (max(abs(x), abs(y)), min(abs(x), abs(y)))
            return max(long - 0.92, short - 0.3)
        case .crescent: return max(radius - 0.9, 0.72 - ((x - 0.42) * (x - 0.42) + y * y).squareRoot())
        case .star:
            // Five points: a straight edge from each tip (radius 1) to the notch beside it (radius 0.42).
            let sector = 2 * Double.pi / 5
            let turned = atan2(x, -y)
            let angle = abs(turned - (turned / sector).rounded() * sector)
            let (px, py) = (radius * cos(angle), radius * sin(angle))
            let (notchX, notchY) = (0.42 * cos(sector / 2), 0.42 * sin(sector / 2))
            let (edgeX, edgeY) = (notchX - 1, notchY)
            let length = (edgeX * edgeX + edgeY * edgeY).squareRoot()
            return ((px - 1) * -edgeY + py * edgeX) / -length
        }
    }

    /// Distance along the normal of the nearest side of a regular polygon with a corner up, from its centre.
    private func polygon(_ x: Double, _ y: Double, sides: Int) -> Double {
        var farthest = -Double.infinity
        for side in 0..<sides {
            let angle = (Double(side) + 0.5) * 2 * .pi / Double(sides)
            farthest = max(farthest, x * sin(angle) - y * cos(angle))
        }
        return farthest
    }
}
