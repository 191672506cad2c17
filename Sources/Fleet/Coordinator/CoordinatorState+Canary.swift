/// Whether a worker computes the run's numbers: told apart by what it computes, not by what it says it is.
extension CoordinatorState {
    /// Lets a worker in whose canary is the run's, and refuses every other with the first stage that differs.
    mutating func receive(_ canary: Canary, member position: Int) {
        guard let expected = configuration.canary else { return }
        let member = members[position]
        let (name, own) = (member.hello.name, member.hello.numericClass)
        let difference = canary.firstDifference(from: expected)
        let problem: String
        switch (difference, own == configuration.numericClass) {
        case (nil, true):
            members[position].hasCanary = true
            return
        case (let stage?, false):
            problem = "worker \(name) has numeric class \(own), the run \(configuration.numericClass), and computes other numbers from \(stage) on"
        case (nil, false):
            problem = """
                worker \(name) has numeric class \(own), the run \(configuration.numericClass), which promise no equal numbers, \
                though those of the first test are
                """
        case (let stage?, true):
            problem = """
                worker \(name) has the run's numeric class \(own) but computes other numbers from \(stage) on; \
                install the same system libraries, and if that changes nothing test the machine's memory and CPU
                """
        }
        let mend = own == configuration.numericClass ? "" : "; \(configuration.numericClassMend)"
        refuse(member.id, problem + mend)
        leave(member.id, reason: "refused")
    }

    /// Whether a worker that says it is ready has shown what it computes.
    func mayBeReady(_ position: Int) -> Bool { configuration.canary == nil || members[position].hasCanary }
}
