internal import ApusBase

/// Where a rank is, as far as its peers can see: what errors are explained with.
struct RankPlace: Sendable, Hashable {
    enum Presence: Sendable, Hashable {
        /// Between operations; `tag` is the last one.
        case outside
        /// Executing `tag`.
        case inside
        /// Left the group; nil without last words.
        case left(String?)
        /// Its process has ended without a word.
        case dead
        /// Nothing was heard of it.
        case unknown
    }

    let rank: Int
    let presence: Presence
    let tag: OperationTag?
    /// Since it entered or left the operation.
    let seconds: Double
    /// Whether `tag` is what the rank did last, or only what was heard of it last.
    var isCurrent = true

    /// `rank 0 has left the process after all-reduce #3 of loss (4 B float32): out of memory`.
    var sentence: String {
        let time = seconds < 1 ? "" : " for \(seconds.fixed(seconds < 10 ? 1 : 0)) s"
        return switch presence {
        case .inside: "rank \(rank) waits in \(operation)\(time)"
        case .outside: "rank \(rank) is outside of the group's operations\(time)\(after)"
        case .left(nil): "rank \(rank) has left the group\(after)"
        case .left(let words?): "rank \(rank) has left the process\(after): \(words)"
        case .dead: "rank \(rank) has died\(after)"
        case .unknown: "rank \(rank) has not been heard of"
        }
    }

    var isGone: Bool {
        switch presence {
        case .left, .dead: true
        case .outside, .inside, .unknown: false
        }
    }

    func renamed(_ rank: Int) -> RankPlace {
        RankPlace(
            rank: rank, presence: presence, tag: tag, seconds: seconds, isCurrent: isCurrent)
    }

    private var operation: String { tag.map(\.description) ?? "an operation" }
    private var after: String {
        if isCurrent { return tag.map { " after \($0)" } ?? " before its first operation" }
        return tag.map { " (last heard of in \($0))" } ?? ""
    }
}
