/// The table of keys as people read it: for the reference page and its test.
public enum RecipeReference {
    public static let keys = RecipeKeys.all.flatMap { $0.descriptions(default: Recipe()) }

    /// The keys as a Markdown table, the middle of `Docs/recipe.md`.
    public static var markdown: String {
        var lines = ["| key | default | allowed | meaning |", "| --- | --- | --- | --- |"]
        // The keys of `test_datasets` are those of `datasets`.
        for key in keys where !key.path.hasPrefix("test_datasets[]") {
            lines.append("| `\(key.path)` | \(standard(key)) | \(allowed(key)) | \(key.meaning) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func standard(_ key: KeyDescription) -> String {
        if key.isRequired { return "**required**" }
        if key.isTable { return "" }
        return key.defaultText.map { "`\($0)`" } ?? "not set"
    }

    private static func allowed(_ key: KeyDescription) -> String {
        guard key.isTable else { return key.allowed }
        return key.isList ? "a list of mappings" : "a mapping"
    }
}
