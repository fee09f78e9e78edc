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

/// The tables of other tools' keys, the middle of `Docs/imports.md`.
extension RecipeReference {
    public static let deepSpeedMarkdown = table(of: DeepSpeedKeys.all)
    public static let accelerateMarkdown = table(of: AccelerateKeys.all)

    private static func table(of keys: [ImportKey]) -> String {
        let head = ["| key | default there | here |", "| --- | --- | --- |"]
        return (head + rows(keys, prefix: "")).joined(separator: "\n") + "\n"
    }

    private static func rows(_ keys: [ImportKey], prefix: String) -> [String] {
        keys.flatMap { key in
            if case .block(let inner) = key.fate {
                return rows(inner, prefix: prefix + key.name + ".")
            }
            let others = key.aliases.map { ", `\($0)`" }.joined()
            return ["| `\(prefix)\(key.name)`\(others) | \(key.standard) | \(key.fate.text) |"]
        }
    }
}

extension ImportKey.Fate {
    fileprivate var text: String {
        switch self {
        case .becomes(let names): "becomes \(names)"
        case .inert(let reason): "no effect: \(reason)"
        case .refused(let harmless, let remedy):
            "only \(harmless.joined(separator: ", ")): \(remedy)"
        case .block: "its keys are listed"
        case .absent(let remedy): "only off: \(remedy)"
        }
    }
}
