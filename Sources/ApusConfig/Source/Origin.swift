/// Where an effective value comes from.
///
/// Later layers win: default < recipe file < `--set` < flags such as `--ranks`. A derived value is
/// one that nobody wrote and that follows from others; its text is the formula.
public struct Origin: Sendable, Hashable {
    public enum Place: Sendable, Hashable {
        case standard
        case file(path: String, line: Int, column: Int)
        case commandLine(String)
        case derived(String)
        /// Read back from a resolved configuration, which keeps origins as text.
        case recorded(String)
    }

    public var place: Place
    /// What happened to the value on its way, such as how a relative path was understood.
    public var note: String?

    public init(_ place: Place, note: String? = nil) {
        self.place = place
        self.note = note
    }
}

extension Origin {
    static let standard = Origin(.standard)

    /// For people: `default`, `recipe.yaml:12`, `--set learning_rate=1e-4`.
    public var text: String {
        let place =
            switch self.place {
            case .standard: "default"
            case .file(let path, let line, _): "\(path):\(line)"
            case .commandLine(let option): option
            case .derived(let formula): formula
            case .recorded(let text): text
            }
        return note.map { "\(place) (\($0))" } ?? place
    }

    /// The beginning of an error message: also the column, so that editors can jump there.
    var errorText: String {
        if case .file(let path, let line, let column) = place { return "\(path):\(line):\(column)" }
        return text
    }
}
