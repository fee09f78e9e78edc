extension RankBoard {
    /// What became of an operation that failed, told by where all ranks are.
    ///
    /// - Parameter error: what the operation itself said
    func explain(_ error: CommError, in tag: OperationTag) -> CommError {
        let own = RankPlace(rank: rank, presence: .inside, tag: tag, seconds: 0)
        let news = gather(error.code, own: own)
        let places = news?.places ?? globalRanks.indices.map { peer in
            if peer == rank { return own }
            // The store went with the rank that holds it.
            let presence: RankPlace.Presence = globalRanks[peer] == 0 ? .dead : .unknown
            return RankPlace(
                rank: peer, presence: presence, tag: nil, seconds: 0, isCurrent: false)
        }
        let culprit = Self.culprit(among: places, except: rank)
        let isGone = culprit.map { places[$0].isGone } ?? false
        return Explanation(
            code: isGone ? .peerLeft : news?.code ?? error.code, rank: globalRanks[rank],
            operation: tag, culprit: culprit.map { globalRanks[$0] },
            places: places.map { $0.renamed(globalRanks[$0.rank]) },
            timeoutSeconds: timeoutSeconds, detail: error.summary
        ).error
    }

    /// The rank whose story explains most: last words before a silent death before being elsewhere.
    private static func culprit(among places: [RankPlace], except own: Int) -> Int? {
        let others = places.filter { $0.rank != own }
        func first(_ matches: (RankPlace) -> Bool) -> Int? { others.first(where: matches)?.rank }
        return first { if case .left(.some) = $0.presence { true } else { false } }
            ?? first { $0.presence == .dead }
            ?? first { $0.presence == .left(nil) }
            ?? first { $0.presence != .inside }
            ?? others.first?.rank
    }
}
