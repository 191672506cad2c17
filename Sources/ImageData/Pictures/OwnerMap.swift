/// A picture of which merged token every grid position went to.
public enum OwnerMap {
    /// Paints each position of the token grid in the colour of its owner, with thin dark borders between owners.
    /// - Parameters:
    ///   - owners: `[rows, columns]`, row-major: the token of each position, in `0..<tokens`.
    ///   - width, height: size of the picture, usually that of the image; at least one pixel per position.
    public static func picture(
        owners: [Int], rows: Int, columns: Int, tokens: Int, width: Int, height: Int
    ) -> RGBImage {
        precondition(
            rows > 0 && columns > 0 && owners.count == rows * columns, "\(owners.count) owners are not \(rows)x\(columns)")
        precondition(width >= columns && height >= rows, "\(width)x\(height) pixels cannot show \(columns)x\(rows) positions")
        precondition(owners.allSatisfy { (0..<tokens).contains($0) }, "an owner is not in 0..<\(tokens)")
        let colours = (0..<tokens).map(colour(of:))
        var picture = RGBImage(width: width, height: height, red: 0, green: 0, blue: 0)
        for y in 0..<height {
            let row = y * rows / height
            // A pixel is on a border when its upper or left neighbour belongs to somebody else.
            let rowAbove = max(y - 1, 0) * rows / height
            for x in 0..<width {
                let column = x * columns / width
                let columnLeft = max(x - 1, 0) * columns / width
                let owner = owners[row * columns + column]
                let isBorder =
                    owners[rowAbove * columns + column] != owner || owners[row * columns + columnLeft] != owner
                picture[x, y] = isBorder ? (24, 24, 24) : colours[owner]
            }
        }
        return picture
    }

    /// The colour of a token: hues a golden ratio apart, so that neighbouring numbers differ most, in four shades.
    package static func colour(of token: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        let shades: [(saturation: Double, value: Double)] = [(0.62, 0.97), (0.82, 0.80), (0.45, 0.88), (0.90, 0.98)]
        let shade = shades[token % shades.count]
        let colour = Colour(
            hue: Double(token) * 0.618_033_988_749_894_9, saturation: shade.saturation, value: shade.value)
        func level(_ component: Double) -> UInt8 { UInt8((component * 255).rounded()) }
        return (level(colour.red), level(colour.green), level(colour.blue))
    }
}
