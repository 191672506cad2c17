/// Images of one size side by side.
public enum ImageGrid {
    /// Sets images into a grid, row by row.
    /// - Parameters:
    ///   - images: at least one, all of one size.
    ///   - columns: images per row; a last row may be short.
    ///   - margin: pixels between images and around them.
    ///   - background: grey level of the margin and of empty places.
    public static func compose(_ images: [RGBImage], columns: Int, margin: Int = 2, background: UInt8 = 255) -> RGBImage {
        guard let first = images.first else { preconditionFailure("a grid needs an image") }
        precondition(columns > 0 && margin >= 0, "no grid of \(columns) columns with margin \(margin)")
        let width = min(columns, images.count)
        let height = (images.count + columns - 1) / columns
        var grid = RGBImage(
            width: width * (first.width + margin) + margin, height: height * (first.height + margin) + margin,
            red: background, green: background, blue: background)
        for (index, image) in images.enumerated() {
            precondition(
                image.width == first.width && image.height == first.height,
                "image \(index) is \(image.width)x\(image.height), the first is \(first.width)x\(first.height)")
            grid.paste(
                image, x: margin + index % columns * (first.width + margin),
                y: margin + index / columns * (first.height + margin))
        }
        return grid
    }
}
