/// A record that is not in the data set, or not whole, for people to look at.
public struct Exclusion: Sendable, Hashable, CustomStringConvertible {
    public enum Fate: Sendable, Hashable {
        case dropped(DataReport.DropReason)
        case truncated
        case split
    }

    public let path: String
    /// Counted from 1.
    public let line: Int
    public let fate: Fate
    /// Before anything was cut.
    public let tokens: Int

    public var description: String {
        let what =
            switch fate {
            case .dropped(let reason): "dropped, \(reason.rawValue)"
            case .truncated: "truncated"
            case .split: "split"
            }
        return "\(path):\(line): \(what) (\(tokens) tokens)"
    }

    /// Of each fate so many are kept; all are counted.
    static let kept = 5
}
