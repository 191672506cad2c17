import NeuralNet
import TensorCore

#if canImport(Glibc)
import Glibc
#endif

/// What is asked of the student's features u against the teacher's t, both `[B, D]` (spec 6.3, 6.5).
public enum AlignmentLoss: Sendable, Equatable {
    /// T² · mean_b KL(softmax(t/T) ‖ softmax(u/T)): the official code's "kl", with T = 4. T² times eq. (10) less the teacher's entropy, which
    /// has no gradient.
    case divergence(temperature: Double)
    /// − mean over all B·D elements of û ⊙ t̂, the features divided by their norms: the official code's "mse", which is −cos/D.
    case cosine
    /// − mean_b Σ softmax((t − c)/τ_t) · log softmax(u/τ_s), with the centre c: eq. (10) as DINO computes it. DINO's prototypes are not in the
    /// released teacher; the features themselves take their place.
    case distillation(teacherTemperature: Double, studentTemperature: Double)

    /// The loss of all official configurations.
    public static let standard = AlignmentLoss.divergence(temperature: 4)

    /// The loss `[1]`, a mean over the batch, with its gradient towards the student.
    ///
    /// - Parameter centre: of `distillation`, and of nothing else; none is a centre of zero.
    public func callAsFunction(_ student: Variable, teacher: Tensor, centre: AlignmentCentre? = nil) -> Variable {
        precondition(
            student.shape.rank == 2 && student.shape == teacher.shape, "alignment of features \(student.shape) with \(teacher.shape)")
        switch self {
        case .divergence(let temperature):
            return Self.crossEntropy(
                student, teacher: teacher, centre: nil, teacherTemperature: temperature, studentTemperature: temperature,
                weight: temperature * temperature, lessEntropy: true)
        case .cosine:
            return Self.negativeCosine(student, teacher: teacher)
        case .distillation(let teacherTemperature, let studentTemperature):
            return Self.crossEntropy(
                student, teacher: teacher, centre: centre, teacherTemperature: teacherTemperature, studentTemperature: studentTemperature,
                weight: 1, lessEntropy: false)
        }
    }

    /// weight · mean_b Σ p·(log p − log q), or without log p, of p = softmax((t − c)/τ_t) and q = softmax(u/τ_s). Its slope is
    /// weight/(B·τ_s) · (q − p). A few thousand numbers, in double precision.
    private static func crossEntropy(
        _ student: Variable, teacher: Tensor, centre: AlignmentCentre?, teacherTemperature: Double, studentTemperature: Double,
        weight: Double, lessEntropy: Bool
    ) -> Variable {
        let (batch, width) = (student.shape[0], student.shape[1])
        precondition(centre.map { $0.values.count == width } ?? true, "a centre of shape \(centre?.values.shape ?? []) for \(width) features")
        let slope = Tensor(uninitialised: student.shape)
        var total = 0.0
        for image in 0..<batch {
            let start = image * width
            let target = logSoftmax((0..<width).map { i in
                (Double(teacher.pointer[start + i]) - Double(centre?.values.pointer[i] ?? 0)) / teacherTemperature
            })
            let prediction = logSoftmax((0..<width).map { Double(student.value.pointer[start + $0]) / studentTemperature })
            for i in 0..<width {
                let p = exp(target[i])
                total += p * ((lessEntropy ? target[i] : 0) - prediction[i])
                slope.pointer[start + i] = Float(weight / (Double(batch) * studentTemperature) * (exp(prediction[i]) - p))
            }
        }
        return loss(weight * total / Double(batch), slope: slope, of: student)
    }

    private static func logSoftmax(_ values: [Double]) -> [Double] {
        let largest = values.reduce(-.infinity, max)
        let logSum = largest + log(values.reduce(0) { $0 + exp($1 - largest) })
        return values.map { $0 - logSum }
    }

    /// −(1/BD) Σ û·t̂ with slope −(1/BD) (t̂ − û (û·t̂))/‖u‖. A norm counts as 10⁻¹² at least.
    private static func negativeCosine(_ student: Variable, teacher: Tensor) -> Variable {
        let (batch, width) = (student.shape[0], student.shape[1])
        let slope = Tensor(uninitialised: student.shape)
        var total = 0.0
        for image in 0..<batch {
            let start = image * width
            let target = unit((0..<width).map { Double(teacher.pointer[start + $0]) }).direction
            let (prediction, norm) = unit((0..<width).map { Double(student.value.pointer[start + $0]) })
            let cosine = zip(prediction, target).reduce(0) { $0 + $1.0 * $1.1 }
            total -= cosine
            for i in 0..<width {
                slope.pointer[start + i] = Float(-(target[i] - cosine * prediction[i]) / (norm * Double(batch * width)))
            }
        }
        return loss(total / Double(batch * width), slope: slope, of: student)
    }

    private static func unit(_ values: [Double]) -> (direction: [Double], norm: Double) {
        let norm = max(values.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
        return (values.map { $0 / norm }, norm)
    }

    /// A scalar whose derivative by every element of `input` is known already.
    private static func loss(_ value: Double, slope: Tensor, of input: Variable) -> Variable {
        let pool = input.graph.pool
        return input.graph.operation(Tensor([Float(value)], [1]), passing: [input]) { [node = input.node] gradient in
            node.accumulate(slope.scaled(by: gradient.scalar, pool: pool))
        }
    }
}

/// The running mean of the teacher's features, which DINO subtracts so that no feature dominates (spec 6.5). A value that training carries from
/// step to step, like the weights; the mean of a step is that of its whole batch, whoever computed which part of it.
public struct AlignmentCentre: Sendable {
    /// `[D]`
    public let values: Tensor

    public init(_ values: Tensor) {
        self.values = values
    }

    /// The centre before the first step.
    public init(width: Int) {
        self.init(Tensor(zeros: [width]))
    }

    /// The centre after a step: momentum · c + (1 − momentum) · mean.
    ///
    /// - Parameter mean: of the teacher's features over the step's batch, `[D]`.
    public func updated(by mean: Tensor, momentum: Float = 0.9) -> AlignmentCentre {
        precondition(mean.count == values.count, "a mean of shape \(mean.shape) for a centre of shape \(values.shape)")
        return AlignmentCentre(Tensor(zip(values.elements, mean.elements).map { momentum * $0 + (1 - momentum) * $1 }, values.shape))
    }
}
