import Generators
import Testing
import Training

/// What settings ask a generator for, and which classes a text means.
@Suite struct GenerationSettingsTests {
    private func configuration(_ kind: RunConfiguration.Generator.Kind, grid: Int = 16) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.task = .generator
        configuration.generator.kind = kind
        configuration.generator.grid = grid
        return configuration
    }

    private func request(
        _ configuration: RunConfiguration, _ change: (inout GenerationSettings) -> Void = { _ in }
    ) throws -> GenerationRequest {
        var settings = GenerationSettings()
        change(&settings)
        return try settings.request(for: configuration, classes: [], images: [])
    }

    @Test func defaultsSuitTheKind() throws {
        let raster = try request(configuration(.llamagen))
        #expect(raster.order == .raster && raster.pre.guidance == .constant(1.75) && raster.post == raster.pre)
        let merged = try request(configuration(.mergear))
        #expect(merged.order == .merged(keptTokens: 144, mergeID: 0, window: 2))
        #expect(try request(configuration(.mergear)) { $0.keptTokens = 196 }.order == .merged(keptTokens: 196, mergeID: 2, window: 2))
        let random = try request(configuration(.randar, grid: 12))
        #expect(random.order == .random(keptTokens: 144, steps: 64, schedule: .randar) && random.pre.guidance == .linear(from: 1, to: 1.75))
        #expect(try request(configuration(.randar)).order == .random(keptTokens: 256, steps: 88, schedule: .randar))
    }

    @Test func partsAndSchedules() throws {
        func guidance(_ change: (inout GenerationSettings) -> Void) throws -> GuidanceSchedule {
            try request(configuration(.llamagen)) {
                ($0.pre.guidance, $0.guidanceStart) = (3, 0.5)
                change(&$0)
            }.pre.guidance
        }
        #expect(try guidance { $0.schedule = .linear } == .linear(from: 0.5, to: 3))
        #expect(try guidance { $0.schedule = .cosine } == .cosine(from: 0.5, to: 3))
        #expect(try guidance { ($0.schedule, $0.guidanceExponent) = (.power, 4) } == .power(from: 0.5, to: 3, exponent: 4))
        #expect(try guidance { ($0.schedule, $0.guidanceUntil) = (.interval, 20) } == .interval(3, through: 20))
        let parts = try request(configuration(.llamagen)) {
            ($0.post.guidance, $0.post.temperature, $0.post.topK, $0.post.topP) = (2, 0.5, 9, 0.75)
        }
        #expect(parts.pre.sampler == (try TokenSampler()) && parts.post.guidance == .constant(2))
        #expect(parts.post.sampler == (try TokenSampler(temperature: 0.5, topK: 9, topP: 0.75)))
    }

    @Test func whatAGeneratorCannotDoIsNamed() throws {
        func complaint(_ kind: RunConfiguration.Generator.Kind, _ change: (inout GenerationSettings) -> Void) -> String? {
            do {
                _ = try request(configuration(kind), change)
                return nil
            } catch {
                return "\(error)"
            }
        }
        let cases: [(RunConfiguration.Generator.Kind, (inout GenerationSettings) -> Void, String)] = [
            (.mergear, { $0.keptTokens = 400 }, "400 kept tokens"),
            (.mergear, { $0.keptTokens = 150 }, "150 kept tokens have no square grid"),
            (.llamagen, { $0.keptTokens = 144 }, "--merge: is for generators of kind mergear"),
            (.llamagen, { $0.steps = 8 }, "--steps: is for generators of kind randar"),
            (.mergear, { $0.parallelSchedule = .arccos }, "--parallel-schedule: is for"),
            (.randar, { $0.keptTokens = 144 }, "makes 256 and no other number"),
            (.randar, { $0.steps = 0 }, "0 decoding steps"),
            (.llamagen, { $0.schedule = .interval }, "give --cfg-until"),
            (.llamagen, { $0.guidanceUntil = 3 }, "--cfg-until: is for"),
            (.llamagen, { $0.pre.temperature = -1 }, "temperature -1"),
            (.llamagen, { $0.post.topP = 0 }, "top-p 0"),
            (.llamagen, { $0.post.guidance = .nan }, "guidance scale nan"),
        ]
        for (kind, change, part) in cases {
            let text = complaint(kind, change)
            #expect(text?.contains(part) == true && text?.contains("\n") == false, "\(part): \(text ?? "nothing")")
        }
    }

    @Test func classes() throws {
        let names = ["tench", "golden retriever", "Great white shark, man-eater", "goldfish"]
        func labels(_ text: String) throws -> [Int] { try ClassChoice(text).labels(classes: 4, names: names, generator: "g") }
        #expect(try labels("all") == [0, 1, 2, 3])
        #expect(try labels("3,0, 3") == [3, 0])
        #expect(try labels("Tench,golden retriever,2") == [0, 1, 2])
        #expect(try labels("great white shark, man-eater") == [2])
        #expect(throws: GenerationError.classOutside(4, classes: 4)) { try labels("1,4") }
        #expect(throws: GenerationError.classOutside(-1, classes: 4)) { try labels("-1") }
        #expect(throws: GenerationError.unknownClass("gold", similar: ["golden retriever", "goldfish"])) { try labels("gold") }
        #expect(throws: GenerationError.unknownClass("", similar: [])) { try labels("1,,2") }
        #expect(throws: GenerationError.noClassNames("tench", generator: "g")) {
            try ClassChoice("tench").labels(classes: 4, names: [], generator: "g")
        }
    }
}
