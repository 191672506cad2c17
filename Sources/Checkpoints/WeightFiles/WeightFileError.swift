/// Why a file of weights that another program wrote cannot be used; `description` is one line: which file, what, the mend.
public struct WeightFileError: Error, Equatable, CustomStringConvertible {
    public let file: String
    /// What is wrong, e.g. `"is no intact safetensors file: its header ends early"`.
    public let problem: String
    public let mend: String

    init(_ file: String, _ problem: String, mend: String) {
        self.file = file
        self.problem = problem
        self.mend = mend
    }

    /// The exit code of a process that ends for this reason: 65, bad data.
    public var exitCode: Int32 { 65 }

    public var description: String { "\(file): \(problem); \(mend)" }
}
