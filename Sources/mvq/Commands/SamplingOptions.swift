import ArgumentParser
import Training

/// How codes are drawn, on a command line.
struct SamplingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Guidance scale; 1 is none.", valueName: "scale")) var cfg = 1.75
    @Option(help: ArgumentHelp("Of the second part of a code (default: --cfg).", valueName: "scale")) var cfgPost: Double?
    @Option(
        help: ArgumentHelp(
            "Guidance over an image: constant; linear, from --cfg-start to --cfg; interval, up to step --cfg-until; cosine and power, for comparisons (default: linear for RandAR, else constant).",
            valueName: "name"))
    var cfgSchedule: GenerationSettings.Schedule?
    @Option(help: ArgumentHelp("Where linear, cosine and power begin.", valueName: "scale")) var cfgStart = 1.0
    @Option(help: ArgumentHelp("Last guided step of interval.", valueName: "step")) var cfgUntil: Int?
    @Option(help: ArgumentHelp("Exponent of power.", valueName: "number")) var cfgExponent = 2.0
    @Option(help: ArgumentHelp("Scores are divided by it; 0 takes the likeliest.", valueName: "number")) var temperature = 1.0
    @Option(help: ArgumentHelp("Of the second part (default: --temperature).", valueName: "number")) var temperaturePost: Double?
    @Option(help: ArgumentHelp("Draw from the k likeliest; 0: from all.", valueName: "k")) var topK = 0
    @Option(help: ArgumentHelp("Of the second part (default: --top-k).", valueName: "k")) var topKPost: Int?
    @Option(help: ArgumentHelp("Draw from the likeliest that have this share together; 1: from all.", valueName: "share")) var topP = 1.0
    @Option(help: ArgumentHelp("Of the second part (default: --top-p).", valueName: "share")) var topPPost: Double?

    var settings: GenerationSettings {
        var settings = GenerationSettings()
        (settings.pre.guidance, settings.pre.temperature, settings.pre.topK, settings.pre.topP) = (cfg, temperature, topK, topP)
        settings.post = settings.pre
        if let cfgPost { settings.post.guidance = cfgPost }
        if let temperaturePost { settings.post.temperature = temperaturePost }
        if let topKPost { settings.post.topK = topKPost }
        if let topPPost { settings.post.topP = topPPost }
        settings.schedule = cfgSchedule
        (settings.guidanceStart, settings.guidanceUntil, settings.guidanceExponent) = (cfgStart, cfgUntil, cfgExponent)
        return settings
    }
}
