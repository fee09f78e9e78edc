internal import ApusBase

/// The ranks that save and load a checkpoint together, as far as that takes.
public protocol CheckpointPeers: AnyObject {
    var rank: Int { get }
    var worldSize: Int { get }

    /// The bytes of every rank, by rank. All ranks call this together; lengths may differ.
    func gather(_ bytes: [UInt8]) throws -> [[UInt8]]
}

/// One rank alone.
public final class SinglePeer: CheckpointPeers {
    public let rank = 0
    public let worldSize = 1

    public init() {}

    public func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes] }
}

extension CheckpointPeers {
    /// What every rank's function returned, by rank. When it fails on any, all ranks throw: those
    /// on which it failed their own error, the others one that quotes the first.
    func gather(_ body: () throws -> JSON) throws -> [JSON] {
        let own = Result(catching: body)
        let message: JSON =
            switch own {
            case .success(let value): ["value": value]
            case .failure(let error): ["failure": .string("\(error)")]
            }
        let all = try gather(Array(message.text(.compact).utf8)).map { try JSON.parse($0) }
        if case .failure(let error) = own { throw error }
        if let failed = all.firstIndex(where: { $0["failure"] != nil }) {
            let message = all[failed]["failure"]?.stringValue ?? "it did not say why"
            throw RankFailure(rank: failed, message: message).error
        }
        return all.map { $0["value"] ?? .null }
    }

    /// Runs a function on rank 0 and hands its result to all.
    func onFirstRank(_ body: () throws -> JSON) throws -> JSON {
        try gather { rank == 0 ? try body() : .null }[0]
    }
}

/// What went wrong on a rank, as the others hear of it.
struct RankFailure: Sendable, Hashable {
    let rank: Int
    let message: String

    /// The message's first line is the summary; cause and remedy follow in it.
    var error: CheckpointError { CheckpointError("rank \(rank) failed: \(message)") }
}
