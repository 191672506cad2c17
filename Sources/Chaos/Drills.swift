import Foundation

/// How commands and tests begin and end drills.
public enum Drills {
    /// A site with the commands that lie beside this process's executable (or test bundle).
    ///
    /// - Throws: `ChaosFailure` if they are not there, or if the folder is occupied; `DatasetError`.
    public static func site(in folder: String) throws -> DrillSite {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        guard files.isEmpty else { throw ChaosFailure("\(folder): not empty; give another folder") }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw ChaosFailure("\(folder): cannot be made; give another folder")
        }
        let programs = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        return try DrillSite(folder: folder, programs: programs)
    }

    /// Kills every process that drills have started and that has not ended.
    public static func killAll() { ChildProcess.killAll() }
}
