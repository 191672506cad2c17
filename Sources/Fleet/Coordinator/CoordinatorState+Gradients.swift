/// Gradients on their way in: their credit, and whether they are what was announced.
extension CoordinatorState {
    /// Gives a worker the credit of a gradient chunk back.
    mutating func giveBack(_ bytes: Int, member position: Int) {
        let (credit, chunk) = (configuration.creditBytes, configuration.chunkBytes)
        guard let owed = members[position].owed.consume(bytes, creditBytes: credit, chunkBytes: chunk) else { return }
        actions.append(.send(.coordinatorCredit(bytes: owed), to: members[position].id))
    }

    /// Whether the gradient that a member sent is the one whose digest it announced. If not, its memory or its program is faulty: the session
    /// ends, and the block goes to another.
    mutating func verifyGradient(_ assignment: Assignment, of member: Member, announced: String) -> Bool {
        guard let arrived = assignment.incoming?.digest, arrived != announced else { return true }
        let text = String(announced.prefix(64))
        dismiss(member.id, reason: "its gradient of \(assignment.block) has digest \(arrived) but was announced with \(text); test the machine's memory")
        return false
    }
}
