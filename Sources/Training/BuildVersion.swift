/// The release that this program was built from. Coordinator and workers must be of the same one: equal bits are promised within a build only.
public enum BuildVersion {
    public static let current = "0.1.0"
}
