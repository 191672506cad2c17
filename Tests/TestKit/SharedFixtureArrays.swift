extension FixtureArrays {
    /// What lies at the level of the file, for all of its cases.
    public var ofFile: FixtureArrays { FixtureArrays(reader: reader, base: "") }
}
