import ArgumentParser
import Foundation

/// Number of threads to compute with by default: the cores of this machine.
public var defaultThreads: Int { ProcessInfo.processInfo.activeProcessorCount }

/// `--set key=value` of a configuration.
public struct ConfigurationOverride: ExpressibleByArgument, Sendable {
    public let key: String
    public let value: String

    public init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}
