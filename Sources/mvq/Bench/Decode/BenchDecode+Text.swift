import Foundation

extension BenchDecode.Report {
    /// For people.
    var text: String {
        var lines = ["\(threads) threads, \(numericClass); minimum / median"]
        if let single {
            lines.append(
                String(format: "one image, \(grouped(single.parameters)) parameters: %.1f / %.1f ms a code, %.1f codes a second",
                    single.secondsPerStep.minimum * 1e3, single.secondsPerStep.median * 1e3, single.codesPerSecond))
            lines.append(
                String(
                    format: "  reads %.3f GB of weights a code; memory reads %.1f GB/s (best %.1f): %.2f of its speed", Double(single.weightBytesRead) / 1e9,
                    single.readGigabytesPerSecond, single.bestReadGigabytesPerSecond, single.ratioToReadBandwidth))
        }
        if let batch {
            lines.append(
                String(format: "\(batch.images) images at a time: %.1f / %.1f ms a step, %.1f codes a second",
                    batch.secondsPerStep.minimum * 1e3, batch.secondsPerStep.median * 1e3, batch.codesPerSecond))
        }
        if let merged {
            let layers = mergedLayers.map { ", measured with \($0) blocks over the sequence" } ?? ""
            lines.append("MergeAR, \(merged.images) at a time of \(merged.cells) cells, \(merged.distinctCodes) different codes, guided\(layers):")
            lines.append(
                String(
                    format: "  caches %.2f of %.2f GB: %.3f; entries seen %.0f of %.0f on average", Double(merged.cacheBytes) / 1e9,
                    Double(merged.cacheBytesUncompressed) / 1e9, merged.memoryRatio, merged.meanEntries, merged.meanEntriesUncompressed))
            lines.append(
                String(
                    format: "  a step %.1f ms against %.1f ms: %.3f times as fast; %.3f allowed by %.1f GB/s and %.0f GFLOP/s: %.2f of the bound",
                    merged.secondsPerStep * 1e3, merged.secondsPerStepUncompressed * 1e3, merged.speedUp, merged.speedUpBound,
                    merged.readGigabytesPerSecond, merged.sgemmGflops, merged.shareOfBound))
            lines.append(
                String(format: "  both sides run at %.2f and %.2f of their own bounds", merged.efficiency, merged.efficiencyUncompressed))
        }
        for random in random {
            lines.append(
                String(
                    format: "RandAR, \(random.codes) codes in \(random.steps) steps (\(random.schedule)), \(random.guided ? "guided" : "not guided"): "
                        + "%.2f s against %.2f s: %.2f times as fast, of %.2f", random.seconds, random.secondsSequential, random.speedUp,
                    random.stepRatio))
        }
        return lines.joined(separator: "\n")
    }
}
