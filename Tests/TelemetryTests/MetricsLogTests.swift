import Foundation
import Telemetry
import Testing

struct MetricsLogTests {
    @Test func writesSortedPlainJSON() {
        let line = MetricsLog.line(
            step: 120,
            ["loss": 0.412, "loss/l1": .float(0.1), "workers": 2, "K": 36, "name": "a \"b\"\\\n\u{1}é", "last": false, "z": [1, 2.5]])
        #expect(
            line == #"{"K":36,"last":false,"loss":0.412,"loss/l1":0.1,"name":"a \"b\"\\\n\u0001é","step":120,"workers":2,"z":[1,2.5]}"#)
    }

    /// An independent JSON reader gets the numbers back, bit by bit.
    @Test(arguments: [0.1, -0.0, 2.2250738585072014e-308, 1.7976931348623157e308, 1e21, 12345678.9, -2.5e-7])
    func numbersSurvive(value: Double) throws {
        let line = MetricsLog.line(step: 1, ["value": .double(value)])
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect((object?["value"] as? NSNumber)?.doubleValue == value)
    }

    @Test func notFiniteNumbersBecomeTexts() throws {
        let line = MetricsLog.line(
            step: 1, ["a": .double(.nan), "b": .double(.infinity), "c": .float(-.infinity), "d": .float(.nan)])
        #expect(line == #"{"a":"NaN","b":"Infinity","c":"-Infinity","d":"NaN","step":1}"#)
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }

    @Test func findsTheStepOfALine() {
        #expect(MetricsLog.step(ofLine: MetricsLog.line(step: 77, ["loss": .double(.nan)])) == 77)
        #expect(MetricsLog.step(ofLine: "{\"loss\":1}") == nil)
        #expect(MetricsLog.step(ofLine: "{\"step\":1") == nil)
    }

    @Test func passesLinesOnAndErrorsBack() throws {
        struct Full: Error {}
        var lines: [String] = []
        let log = MetricsLog { line in
            if lines.count == 2 { throw Full() }
            lines.append(line)
        }
        try log.record(step: 1, [:])
        try log.record(step: 2, ["x": 1])
        #expect(throws: Full.self) { try log.record(step: 3, [:]) }
        #expect(lines == [#"{"step":1}"#, #"{"step":2,"x":1}"#])
    }
}
