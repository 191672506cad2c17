import Fleet
import Testing

/// A worker shows what it computes before it may compute.
@Suite struct CanaryTests {
    static let canary = Canary(readings: ["image 01", "conv_in.weight 02", "loss:loss 03"])

    static func coordinator() -> CoordinatorStateTests.Fed {
        var configuration = CoordinatorStateTests.configuration
        configuration.canary = canary
        configuration.numericClassMend = "do this"
        var fed = CoordinatorStateTests.Fed()
        fed.state = CoordinatorState(configuration: configuration, plan: Toy.plan(step: 0, slots: 2), now: CoordinatorStateTests.start)
        return fed
    }

    static func refusal(_ actions: [CoordinatorState.Action]) -> (code: Int32, text: String)? {
        for case .send(.refuse(let code, let text), _) in actions { return (code, text) }
        return nil
    }

    @Test func theRunsCanaryLetsAWorkerIn() {
        var fed = Self.coordinator()
        _ = fed.say(.hello(CoordinatorStateTests.hello()))
        #expect(CoordinatorStateTests.reason(fed.say(.ready)) == "'ready' before its canary" && fed.state.readyCount == 0)
        #expect(fed.say(.canary(Self.canary)) == [])
        _ = fed.say(.ready)
        #expect(fed.state.readyCount == 1)
    }

    @Test(arguments: [
        (1, "conv_in.weight 09", "conv_in.weight (stage 2 of 3)"), (2, "loss:other 03", "loss:other (stage 3 of 3)"),
    ])
    func anotherCanaryIsRefusedByItsFirstDifference(place: Int, reading: String, stage: String) {
        for (numericClass, mend) in [("haswell", "test the machine's memory and CPU"), ("zen", "do this")] {
            var fed = Self.coordinator()
            let greeting = fed.say(.hello(CoordinatorStateTests.hello { $0.numericClass = numericClass }))
            #expect(Self.refusal(greeting) == nil, "the refusal waits for the canary")
            var canary = Self.canary
            canary.readings[place] = reading
            let refusal = Self.refusal(fed.say(.canary(canary)))
            #expect(refusal?.code == ExitCode.configuration && refusal?.text.contains("computes other numbers from \(stage) on") == true)
            #expect(refusal?.text.hasSuffix(mend) == true && fed.state.sessionCount == 0)
        }
    }

    /// One image proves nothing about all others: the class has to be the same all the same.
    @Test func anotherClassIsRefusedWhateverItComputes() {
        var fed = Self.coordinator()
        _ = fed.say(.hello(CoordinatorStateTests.hello { $0.numericClass = "zen" }))
        let refusal = Self.refusal(fed.say(.canary(Self.canary)))
        #expect(refusal?.text == """
            worker node:7 has numeric class zen, the run haswell, which promise no equal numbers, though those of the first test are; do this
            """)
    }

    @Test func aMissingStageIsADifference() {
        var shorter = Self.canary
        shorter.readings.removeLast()
        #expect(shorter.firstDifference(from: Self.canary) == "loss:loss (stage 3 of 3)")
        #expect(Self.canary.firstDifference(from: shorter) == "loss:loss (stage 3 of 2)")
        #expect(Canary().firstDifference(from: Canary()) == nil)
    }
}
