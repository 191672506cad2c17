/// What the pictures of one synthetic class have in common: a shape or a texture, a pattern, a hue.
struct SyntheticClass: Sendable {
    enum Motif: Sendable {
        /// A few instances of a shape on a background of another pattern.
        case shape(Shape)
        /// The whole picture is one texture.
        case texture(Texture.Kind)
    }

    /// Shapes and textures in turn, so that a small data set has both.
    private static let motifs: [Motif] = [
        .shape(.disc), .texture(.stripes), .shape(.square), .texture(.checkerboard), .shape(.triangle),
        .texture(.noise), .shape(.ring), .texture(.gradient), .shape(.star), .texture(.dots), .shape(.cross),
        .texture(.waves), .shape(.hexagon), .shape(.crescent),
    ]

    /// Position among the classes, from 0.
    let index: Int
    let motif: Motif
    /// Pattern inside the shapes, or the texture itself.
    let pattern: Texture.Kind
    /// Centre of the class's hues in turns.
    let hue: Double
    /// Distance of the second colour's hue in turns.
    let contrast: Double

    init(index: Int) {
        self.index = index
        let cycle = index / Self.motifs.count
        motif = Self.motifs[index % Self.motifs.count]
        switch motif {
        case .shape: pattern = Texture.Kind.allCases[(index + cycle) % Texture.Kind.allCases.count]
        case .texture(let kind): pattern = kind
        }
        // Multiples of the golden ratio spread any number of hues evenly.
        let turns = Double(index) * 0.618_033_988_749_894_9
        hue = turns - turns.rounded(.down)
        contrast = 0.2 + 0.15 * Double((index / 2 + cycle) % 4)
    }

    /// Name of the motif.
    var motifName: String {
        switch motif {
        case .shape(let shape): shape.rawValue
        case .texture(let kind): kind.rawValue
        }
    }

    /// Name of the class's folder, e.g. `s0001_disc`.
    var folderName: String {
        let number = String(index + 1)
        return "s" + String(repeating: "0", count: max(0, 4 - number.count)) + number + "_" + motifName
    }

    /// The class in words, e.g. `disc, solid, hue 0°`.
    var words: String {
        let degrees = Int((hue * 360).rounded())
        switch motif {
        case .shape(let shape): return "\(shape.rawValue), \(pattern.rawValue), hue \(degrees)°"
        case .texture(let kind): return "\(kind.rawValue) texture, hue \(degrees)°"
        }
    }
}
