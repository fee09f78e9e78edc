/// The names of files and folders; `Docs/checkpoint-format.md` lists them.
public enum CheckpointNames {
    public static let manifest = "manifest.json"
    public static let trainer = "trainer.json"
    public static let recipe = "recipe.json"
    /// The file beside the checkpoints that names the newest.
    public static let latest = "latest"
    static let latestPartial = "latest.partial"
    static let lock = ".checkpoints.lock"
    /// A folder that is being written; one whose manifest is there and whole is complete.
    static let saving = ".saving"
    /// A folder that is being removed.
    static let deleting = ".deleting"

    public static func checkpoint(_ step: Int) -> String { "checkpoint-\(step)" }

    /// The step in a checkpoint's name; nil for other names.
    public static func step(of name: String) -> Int? {
        guard name.hasPrefix("checkpoint-") else { return nil }
        let digits = name.dropFirst("checkpoint-".count)
        guard let step = Int(digits), step >= 0, String(step) == digits else { return nil }
        return step
    }

    /// The file with the slices that `rank` writes.
    static func part(_ rank: Int, of count: Int) -> String {
        "state-\(fiveDigits(rank))-of-\(fiveDigits(count)).safetensors"
    }

    /// The file with the random generators of `rank`.
    public static func generators(_ rank: Int) -> String { "random-\(fiveDigits(rank)).json" }

    private static func fiveDigits(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }

    /// The tensor in a safetensors file that holds these elements: the bare name for a whole
    /// weight, `name#kind` for another whole tensor, with `@first` for a part.
    static func tensor(_ slice: PartSlice) -> String {
        let kind = slice.key.kind == StateKey.weight ? "" : "#\(slice.key.kind)"
        return slice.key.parameter + kind + (slice.isWhole ? "" : "@\(slice.elements.lowerBound)")
    }
}
