import Checkpoints
import Foundation
import MergeVQ
import NeuralNet
import TensorCore
import Testing
import Training

/// The networks that a run names: what its coordinator learns of their files, and what its workers read from them.
@Suite struct FrozenWeightsTests {
    /// A configuration that names two files, `perceptual.h5` and `teacher.h5`, and the numbers in them.
    private struct World {
        let configuration: RunConfiguration
        let model: StageOneModel
        let perceptual: ParameterLayout
        let teacher: ParameterLayout
        let folder: String

        init(_ folder: String) throws {
            self.folder = folder
            var configuration = SmallModel.configuration
            configuration.losses.perceptual = 1
            configuration.perceptual.network = .file("\(folder)/perceptual.h5")
            configuration.perceptual.channels = 4
            configuration.losses.alignment = 1
            configuration.alignment.teacher = .file("\(folder)/teacher.h5")
            configuration.alignment.teacherViewSize = 28
            configuration.alignment.studentViewSize = 12
            configuration.alignment.teacherWidth = 8
            configuration.alignment.teacherBlocks = 1
            configuration.alignment.teacherHeads = 2
            configuration.alignment.teacherGrid = 2
            self.configuration = configuration
            model = StageOneModel(configuration.stageOne)
            perceptual = try #require(model.perceptual).layout
            teacher = try #require(model.teacher).layout
            try write(perceptual, "perceptual", salt: 1)
            try write(teacher, "dinov2", to: "teacher", salt: 1)
        }

        func values(_ parameter: Parameter, salt: Int) -> [Float] {
            noise(parameter.officialShape.reduce(1, *), key: "\(parameter.name) \(salt)").elements
        }

        /// A file as `mvq import` writes it, in which the teacher's names have no prefix.
        func write(_ layout: ParameterLayout, _ kind: String, to name: String? = nil, salt: Int, without missing: String? = nil) throws {
            let arrays = layout.parameters.filter { $0.name != missing }.map { parameter in
                let name = parameter.name.hasPrefix("teacher.") ? String(parameter.name.dropFirst("teacher.".count)) : parameter.name
                return CheckpointArray(path: "/model/\(name)", shape: parameter.officialShape, values: values(parameter, salt: salt))
            }
            try Checkpoint(step: 0, attributes: ["kind": .string(kind)], arrays: arrays).write(to: "\(folder)/\(name ?? kind).h5")
        }

        /// What the coordinator makes of a configuration, and what a worker does; both must complain alike.
        func complaint(_ configuration: RunConfiguration) -> String {
            func text(_ body: () throws -> Void) -> String {
                do {
                    try body()
                    return "no error"
                } catch {
                    return "\(error)"
                }
            }
            let coordinator = text { _ = try configuration.withNetworkDigests(for: model) }
            let worker = text { _ = try FrozenWeights(configuration, model: model) }
            #expect(coordinator == worker)
            return coordinator
        }
    }

    @Test func aConfigurationGetsTheDigestsOfItsFiles() throws {
        try withTemporaryFolder { folder in
            let world = try World(folder)
            let configuration = try world.configuration.withNetworkDigests(for: world.model)
            #expect(configuration.perceptual.sha256 == (try CheckpointStore.load(path: "\(folder)/perceptual.h5").checkpoint.contentSHA256))
            #expect(configuration.alignment.sha256 == (try CheckpointStore.load(path: "\(folder)/teacher.h5").checkpoint.contentSHA256))
            #expect(try configuration.withNetworkDigests(for: world.model) == configuration)
            // Seeded weights and losses that are off have none.
            var other = world.configuration
            other.perceptual.network = .random
            other.losses.alignment = 0
            #expect(try other.withNetworkDigests(for: StageOneModel(other.stageOne)) == other)
        }
    }

    @Test func workersReadTheWeights() throws {
        try withTemporaryFolder { folder in
            let world = try World(folder)
            let configuration = try world.configuration.withNetworkDigests(for: world.model)
            let weights = try FrozenWeights(configuration, model: world.model)
            for (layout, vector) in [(world.perceptual, weights.perceptual), (world.teacher, weights.teacher)] {
                let vector = try #require(vector)
                for parameter in layout.parameters {
                    let isSame = parameter.official(from: vector) == world.values(parameter, salt: 1)
                    #expect(isSame, "\(parameter.name)")
                }
            }
            // The perceptual network alone, without a look at the teacher.
            try FileManager.default.removeItem(atPath: "\(folder)/teacher.h5")
            let alone = try FrozenWeights.perceptual(configuration, model: world.model)
            let isSame = alone?.elements == weights.perceptual?.elements
            #expect(isSame)
            var without = configuration
            without.losses.perceptual = 0
            #expect(try FrozenWeights.perceptual(without, model: StageOneModel(without.stageOne)) == nil)
        }
    }

    @Test func anotherNetworkUnderTheNameIsRefused() throws {
        try withTemporaryFolder { folder in
            let world = try World(folder)
            let configuration = try world.configuration.withNetworkDigests(for: world.model)
            try world.write(world.teacher, "dinov2", to: "teacher", salt: 2)
            #expect(world.complaint(configuration).contains("teacher.h5: holds another network"))
            try world.write(world.teacher, "dinov2", to: "teacher", salt: 1)
            #expect(world.complaint(configuration) == "no error")
            try world.write(world.perceptual, "perceptual", salt: 2)
            #expect(world.complaint(configuration).contains("perceptual.h5: holds another network"))
        }
    }

    @Test func whatIsMissingOrDoesNotFitIsRefused() throws {
        try withTemporaryFolder { folder in
            let world = try World(folder)
            var none = world.configuration
            none.alignment.teacher = .none
            #expect(world.complaint(none).contains("alignment.teacher is none") && world.complaint(none).contains("mvq import dinov2"))
            none = world.configuration
            none.perceptual.network = .none
            #expect(world.complaint(none).contains("perceptual.network is none"))

            let parameter = try #require(world.teacher.parameters.last)
            try world.write(world.teacher, "dinov2", to: "teacher", salt: 1, without: parameter.name)
            #expect(world.complaint(world.configuration).contains("lacks \(parameter.name.dropFirst("teacher.".count)) "))
            try world.write(world.teacher, "perceptual", to: "teacher", salt: 1)
            #expect(world.complaint(world.configuration).contains("DINOv2 is needed"))
            try FileManager.default.removeItem(atPath: "\(folder)/teacher.h5")
            #expect(world.complaint(world.configuration).contains("no such checkpoint"))
        }
    }
}
