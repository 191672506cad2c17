/// Which tokens of an image are first occurrences (stage2 2.2): j and m are of one group, j ~ m, when they are equal, and first(j) = min{m : m ~ j}.
///
/// Equality is that of the codes, which is all that inference can see, or that of the merged token they come from. Groups by source are finer:
/// two merged tokens may have the same code.
public struct TokenGroups: Sendable, Equatable {
    public enum Equality: String, Sendable, CaseIterable {
        /// Tokens with the same code: masks in training and inference are the same by construction.
        case code
        /// Tokens that share a merged token. For comparisons: where codes collide, inference differs from training.
        case source
    }

    /// The first token of each token's group, by raster position.
    public let first: [Int]

    /// Groups of equal labels, codes or owners, in raster order.
    public init(_ labels: [Int32]) {
        var seen: [Int32: Int] = [:]
        first = labels.enumerated().map { position, label in
            if let earlier = seen[label] { return earlier }
            seen[label] = position
            return position
        }
    }

    /// The groups of an image's expanded codes and of the merged tokens that own its cells, by either equality.
    public init(codes: [Int32], owners: [Int32], by equality: Equality) {
        precondition(codes.count == owners.count, "\(codes.count) codes of \(owners.count) cells")
        self.init(equality == .code ? codes : owners)
    }

    /// Tokens.
    public var count: Int { first.count }
    /// Whether a token is the first of its group: the diagonal of eq. 12.
    public var keep: [Bool] { first.indices.map { first[$0] == $0 } }
    /// Groups.
    public var distinct: Int { first.indices.reduce(0) { $0 + (first[$1] == $1 ? 1 : 0) } }

    /// Entry (i, j) of eq. 12's matrix: token i represents token j.
    public func represents(_ i: Int, _ j: Int) -> Bool { first[j] == i }

    /// The share of an image's merged tokens whose code another one has already: where masks by code and by source differ.
    public static func collisionRate(codes: [Int32], owners: [Int32]) -> Double {
        let (merged, distinct) = (TokenGroups(owners).distinct, TokenGroups(codes).distinct)
        return merged == 0 ? 0 : Double(merged - distinct) / Double(merged)
    }
}
