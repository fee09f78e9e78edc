internal import ApusBase

/// What is known when a group ends; words are made of it in one place.
struct Explanation {
    let code: CommError.Code
    /// The rank that reports, and the operation it was in.
    let rank: Int
    let operation: OperationTag
    /// The rank that the failure is about, where one is known.
    let culprit: Int?
    /// All ranks of the group.
    let places: [RankPlace]
    let timeoutSeconds: Double
    /// The system's or library's own words.
    var detail: String?

    var error: CommError {
        let place = CommError.Place(rank: rank, culprit: culprit, operation: operation)
        return CommError(code, summary, at: place, likelyCause: likelyCause, remedy: remedy)
    }

    private var culpritPlace: RankPlace? { places.first { $0.rank == culprit } }

    private var summary: String {
        if code == .mismatched {
            return "the ranks called different operations: \(everyone)"
        }
        let own =
            code == .timedOut
            ? "rank \(rank) has waited \(timeoutSeconds.fixed(0)) s in \(operation)"
            : "rank \(rank) waits in \(operation)"
        let others = places.filter { $0.rank != rank && $0.rank != culprit }
        let named = [culpritPlace].compactMap { $0 } + others.prefix(6)
        let rest = others.count > 6 ? "; and \(others.count - 6) more ranks" : ""
        let words = detail.map { " (\($0))" } ?? ""
        return ([own] + named.map(\.sentence)).joined(separator: "; ") + rest + words
    }

    /// Ranks that did the same are named together.
    private var everyone: String {
        var groups: [(tag: OperationTag?, ranks: [Int])] = []
        for place in places {
            if let index = groups.firstIndex(where: { $0.tag == place.tag }) {
                groups[index].ranks.append(place.rank)
            } else {
                groups.append((place.tag, [place.rank]))
            }
        }
        return groups.map { group in
            let noun = group.ranks.count == 1 ? "rank" : "ranks"
            let ranks = group.ranks.map(String.init).joined(separator: ", ")
            return "\(noun) \(ranks): \(group.tag.map(\.exactDescription) ?? "no operation")"
        }.joined(separator: "; ")
    }

    private var likelyCause: String? {
        switch code {
        case .mismatched:
            return "a branch that only some ranks take, or ranks with different settings or data"
        case .timedOut:
            return "\(culpritName) is slower than the time-out, or skipped the operation: "
                + "a branch that only some ranks take"
        case .peerLeft:
            if case .dead = culpritPlace?.presence {
                return "\(culpritName) was killed (by hand, or because memory ran out) or crashed"
            }
            return "\(culpritName) failed, or ended its loop earlier than the others"
        default: return nil
        }
    }

    private var remedy: String? {
        switch code {
        case .mismatched:
            return "make every rank call the same operations with the same sizes in the same order"
        case .timedOut:
            return "look at \(culpritName)'s log; if it is only slow, raise APUS_COMM_TIMEOUT "
                + "(seconds, now \(timeoutSeconds.fixed(0)))"
        case .peerLeft: return "look at \(culpritName)'s log: what it says last is the first cause"
        default: return nil
        }
    }

    private var culpritName: String { culprit.map { "rank \($0)" } ?? "another rank" }
}
