import ImageData
import Testing

@Suite struct PictureTests {
    @Test func gridPlacesImagesRowByRow() {
        let images = (0..<5).map { RGBImage(width: 3, height: 2, red: UInt8($0), green: 9, blue: 9) }
        let grid = ImageGrid.compose(images, columns: 3, margin: 1, background: 200)
        #expect(grid.width == 13 && grid.height == 7)
        for (index, corner) in [(1, 1), (5, 1), (9, 1), (1, 4), (5, 4)].enumerated() {
            #expect(grid.cropped(x: corner.0, y: corner.1, width: 3, height: 2) == images[index])
        }
        let margin = 13 * 7 - 5 * 6
        #expect(grid.pixels.filter { $0 == 200 }.count == margin * 3, "everything else is background")
    }

    @Test func gridOfFewImagesIsNarrow() {
        let image = synthetic(4, 4)
        #expect(ImageGrid.compose([image], columns: 8, margin: 0) == image)
    }

    @Test func everyOwnerHasItsOwnColour() {
        let colours = (0..<1024).map { token in
            let colour = OwnerMap.colour(of: token)
            return [colour.red, colour.green, colour.blue]
        }
        #expect(Set(colours).count == 1024)
        #expect(!colours.contains([24, 24, 24]))
    }

    @Test func ownerMapShowsOwnersAndBorders() {
        // Two owners, left and right, and one pixel column of border where the right one begins.
        let picture = OwnerMap.picture(owners: [0, 1, 0, 1], rows: 2, columns: 2, tokens: 2, width: 8, height: 6)
        #expect(picture.width == 8 && picture.height == 6)
        for y in 0..<6 {
            for x in 0..<8 {
                let expected = x == 4 ? (24, 24, 24) : OwnerMap.colour(of: x < 4 ? 0 : 1)
                #expect(picture[x, y] == expected, "pixel (\(x), \(y))")
            }
        }
    }

    @Test func pasteAndCropAreInverse() {
        var canvas = RGBImage(width: 10, height: 9, red: 0, green: 0, blue: 0)
        let part = synthetic(4, 3)
        canvas.paste(part, x: 6, y: 6)
        #expect(canvas.cropped(x: 6, y: 6, width: 4, height: 3) == part)
    }
}
