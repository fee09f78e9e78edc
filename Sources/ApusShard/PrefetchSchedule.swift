/// Foretells which units come next from what came next the last time.
///
/// A use is remembered with the one before it, so that a unit which is used twice in a pass (tied
/// embeddings) has a different successor each time; after a pair that never came before, the last
/// successor of the use alone is the guess. A wrong guess costs time, nothing else.
struct PrefetchSchedule: Sendable {
    enum Use: Hashable, Sendable {
        case forward(Int), backward(Int)
        /// Weights change here: nothing may be gathered across it.
        case update

        var unit: Int? {
            switch self {
            case .forward(let unit), .backward(let unit): unit
            case .update: nil
            }
        }
    }

    private struct Moment: Hashable, Sendable {
        var before: Use?
        var now: Use
    }

    private var successors: [Moment: Use] = [:]
    private var latest: [Use: Use] = [:]
    private var present: Moment?

    mutating func record(_ use: Use) {
        if let present {
            successors[present] = use
            latest[present.now] = use
        }
        present = Moment(before: present?.now, now: use)
    }

    /// The next units in the order of use, each once, up to the next update and while `fits` says
    /// yes to them.
    func upcoming(while fits: (Int) -> Bool) -> [Int] {
        var units: [Int] = []
        var seen: Set<Moment> = []
        var moment = present
        while let now = moment, seen.insert(now).inserted,
            let next = successors[now] ?? latest[now.now], let unit = next.unit
        {
            if !units.contains(unit) {
                guard fits(unit) else { break }
                units.append(unit)
            }
            moment = Moment(before: now.now, now: next)
        }
        return units
    }
}
