import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import TestKit
import Testing

/// The three alignment losses: the golden value of spec 13, plain definitions, central differences.
@Suite struct AlignmentLossTests {
    static let losses: [AlignmentLoss] = [
        .divergence(temperature: 4), .divergence(temperature: 0.7), .cosine,
        .distillation(teacherTemperature: 0.5, studentTemperature: 0.8),
    ]

    private func value(_ loss: AlignmentLoss, student: Tensor, teacher: Tensor, centre: AlignmentCentre? = nil) -> Float {
        let graph = Graph(weights: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        return loss(graph.constant(student), teacher: teacher, centre: centre).value.scalar
    }

    private func softmax(_ x: [Double]) -> [Double] {
        let exponentials = x.map { exp($0) }
        return exponentials.map { $0 / exponentials.reduce(0, +) }
    }

    @Test func goldenDivergence() {
        let (teacher, student) = (Tensor([1, 2, 3, 4], [1, 4]), Tensor([1, 1, 1, 1], [1, 4]))
        #expect(AlignmentLoss.standard == .divergence(temperature: 4))
        #expect(abs(value(.standard, student: student, teacher: teacher) - 0.6088279661) < 1e-6)
        // The mean over the batch: beside a pair that agrees, half of it.
        let pair = value(.standard, student: Tensor([1, 1, 1, 1, 0, 5, 1, 2], [2, 4]), teacher: Tensor([1, 2, 3, 4, 0, 5, 1, 2], [2, 4]))
        #expect(abs(pair - 0.6088279661 / 2) < 1e-6)
    }

    /// A constant added to all features of an image is no difference, and the divergence of equals is nothing, large numbers included.
    @Test func divergenceOfEquals() {
        let student = randomTensor([3, 8], key: "student", scale: 2000)
        let shifted = Tensor(student.elements.map { $0 + 500 }, student.shape)
        let found = value(.divergence(temperature: 0.5), student: student, teacher: shifted)
        #expect(found >= 0 && found < 1e-3)
    }

    @Test func cosineIsTheNegativeMeanProduct() {
        let (teacher, student) = (Tensor([3, 4, 0, 0, 1, 0], [2, 3]), Tensor([0, 2, 0, 0, -5, 0], [2, 3]))
        #expect(abs(value(.cosine, student: student, teacher: teacher) - -(0.8 - 1) / 6) < 1e-7)
        #expect(value(.cosine, student: Tensor(zeros: [1, 3]), teacher: Tensor([1, 0, 0], [1, 3])) == 0, "no direction, no cosine")
    }

    /// Eq. (10) with centre and temperatures, term by term.
    @Test func distillationByDefinition() {
        let (teacher, student) = (randomTensor([3, 5], key: "teacher"), randomTensor([3, 5], key: "student"))
        let centre = AlignmentCentre(randomTensor([5], key: "centre"))
        var expected = 0.0
        for image in 0..<3 {
            let p = softmax((0..<5).map { Double(teacher.elements[image * 5 + $0] - centre.values.elements[$0]) / 0.05 })
            let q = softmax((0..<5).map { Double(student.elements[image * 5 + $0]) / 0.1 })
            expected -= zip(p, q).reduce(0) { $0 + $1.0 * log($1.1) } / 3
        }
        let loss = AlignmentLoss.distillation(teacherTemperature: 0.05, studentTemperature: 0.1)
        #expect(abs(Double(value(loss, student: student, teacher: teacher, centre: centre)) - expected) < 1e-4 * expected)
        #expect(value(loss, student: student, teacher: teacher, centre: centre) != value(loss, student: student, teacher: teacher))
        let none = AlignmentCentre(width: 5)
        #expect(value(loss, student: student, teacher: teacher, centre: none) == value(loss, student: student, teacher: teacher))
    }

    @Test(arguments: losses.indices)
    func gradients(_ index: Int) {
        let loss = Self.losses[index]
        let teacher = randomTensor([3, 6], key: "teacher", scale: 2)
        let centre = AlignmentCentre(randomTensor([6], key: "centre"))
        checkGradient(of: [randomTensor([3, 6], key: "student", scale: 2)], named: "\(loss)", step: 1e-2) {
            loss($0[0], teacher: teacher, centre: centre)
        }
    }

    /// At temperature T the slope is T/B · (softmax(u/T) − softmax(t/T)).
    @Test func slopeOfTheDivergence() throws {
        let (teacher, student) = (randomTensor([2, 5], key: "teacher", scale: 4), randomTensor([2, 5], key: "student", scale: 4))
        let graph = Graph(weights: Tensor(zeros: [0]), gradients: Tensor(zeros: [0]), pool: ThreadPool(threads: 1))
        let u = graph.input(student)
        graph.backward(from: AlignmentLoss.standard(u, teacher: teacher), seed: Tensor([3], [1]))
        let gradient = try #require(u.gradient).elements
        for image in 0..<2 {
            let p = softmax((0..<5).map { Double(teacher.elements[image * 5 + $0]) / 4 })
            let q = softmax((0..<5).map { Double(student.elements[image * 5 + $0]) / 4 })
            for i in 0..<5 { #expect(abs(Double(gradient[image * 5 + i]) - 3 * 4 / 2 * (q[i] - p[i])) < 1e-6) }
        }
    }

    @Test func centreIsARunningMean() {
        let start = AlignmentCentre(width: 2)
        let next = start.updated(by: Tensor([10, -20], [2])).updated(by: Tensor([0, 10], [2]))
        #expect(zip(next.values.elements, [0.9, -0.8] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(start.values.elements == [0, 0], "the centre before is a value of its own")
        #expect(start.updated(by: Tensor([4, 8], [2]), momentum: 0.5).values.elements == [2, 4])
    }
}
