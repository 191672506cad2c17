/// The faults that `MVQ_FAIL` asks for: `point[@visits]=action`, several with commas between.
///
/// ```
/// MVQ_FAIL=worker.compute@3=kill                 # SIGKILL at the third visit
/// MVQ_FAIL=worker.upload-middle=stop             # SIGSTOP at the first visit
/// MVQ_FAIL=worker.compute@1+=slow:0.5            # half a second's pause at every visit from the first on
/// MVQ_FAIL=worker.gradient@2=flip,journal.after@7=kill
/// ```
public struct FaultPlan: Sendable, Equatable {
    /// What happens at a point.
    public enum Action: Sendable, Equatable {
        /// The process kills itself, as `kill -9` would.
        case kill
        /// The process stops itself, as SIGSTOP would; SIGCONT lets it go on.
        case stop
        /// A pause of so many seconds.
        case slow(seconds: Double)
        /// One bit of the value at this point changes.
        case flip
        /// One number of the value at this point becomes NaN.
        case nan
    }

    /// One entry.
    public struct Fault: Sendable, Equatable {
        public let point: Failpoint
        /// At which visit of the point it happens, from 1.
        public let visit: Int
        /// Whether it happens at every later visit as well.
        public let repeats: Bool
        public let action: Action
    }

    public let faults: [Fault]

    /// Why a text is no plan; one line with the mend.
    public struct Failure: Error, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// Reads a plan; an empty text is one without faults.
    public init(_ text: String) throws(Failure) {
        var faults: [Fault] = []
        for entry in text.split(separator: ",") { faults.append(try FaultPlan.fault(entry)) }
        self.faults = faults
    }

    private static func fault(_ entry: Substring) throws(Failure) -> Fault {
        func refuse(_ reason: String) -> Failure {
            Failure(description: "MVQ_FAIL: '\(entry)' \(reason); write point[@visit[+]]=kill|stop|slow:SECONDS|flip|nan, or unset it")
        }
        let sides = entry.split(separator: "=", omittingEmptySubsequences: false)
        guard sides.count == 2 else { throw refuse("has no single '='") }
        let place = sides[0].split(separator: "@", omittingEmptySubsequences: false)
        guard let point = Failpoint(rawValue: String(place[0])) else { throw refuse("names no point") }
        var visit = 1
        var repeats = false
        if place.count > 1 {
            repeats = place[1].hasSuffix("+")
            guard place.count == 2, let number = Int(repeats ? place[1].dropLast() : place[1]), number >= 1 else {
                throw refuse("has no visit from 1 on after '@'")
            }
            visit = number
        }
        let words = sides[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let action: Action
        switch (words[0], words.count) {
        case ("kill", 1): action = .kill
        case ("stop", 1): action = .stop
        case ("flip", 1): action = .flip
        case ("nan", 1): action = .nan
        case ("slow", 2):
            guard let seconds = Double(words[1]), (0...3600).contains(seconds) else { throw refuse("has no seconds from 0 to 3600 after 'slow:'") }
            action = .slow(seconds: seconds)
        default: throw refuse("asks for no known action")
        }
        return Fault(point: point, visit: visit, repeats: repeats, action: action)
    }

    /// The action of a visit; the first entry that fits decides.
    public func action(at point: Failpoint, visit: Int) -> Action? {
        faults.first { $0.point == point && ($0.visit == visit || ($0.repeats && visit > $0.visit)) }?.action
    }
}
