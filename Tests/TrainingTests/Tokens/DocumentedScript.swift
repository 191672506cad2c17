import Foundation
import TestKit
import Testing

/// Examples of the documents, so that they are run as they stand there.
enum DocumentedScript {
    /// The first Python example of a document.
    static func python(in document: String) throws -> String {
        let text = try String(contentsOf: Fixtures.packageRoot.appendingPathComponent(document), encoding: .utf8)
        let parts = text.components(separatedBy: "```")
        let block = try #require(parts.first { $0.hasPrefix("python\n") }, "\(document) has no example in Python")
        return String(block.dropFirst("python\n".count))
    }
}
