public import ApusBase

/// How far training has come in its data: enough to continue, also on another number of ranks.
public struct DataCursor: Sendable, Hashable {
    /// Counted from 0.
    public var epoch: Int
    /// Rows of the epoch that were used, over all ranks.
    public var rowsUsed: Int
    public var seed: UInt64
    /// ``TokenStore/fingerprint`` of the data.
    public var fingerprint: UInt64

    /// The cursor as a member of a checkpoint's JSON; numbers beyond 63 bits as text.
    public var json: JSON {
        [
            "epoch": .integer(epoch), "rows_used": .integer(rowsUsed),
            "seed": .string(String(seed)), "fingerprint": .string(String(fingerprint, radix: 16)),
        ]
    }

    /// Nil when `json` is no cursor.
    public init?(json: JSON) {
        guard let epoch = json["epoch"]?.intValue, epoch >= 0,
            let rowsUsed = json["rows_used"]?.intValue, rowsUsed >= 0,
            let seed = json["seed"]?.stringValue.flatMap({ UInt64($0) }),
            let fingerprint = json["fingerprint"]?.stringValue.flatMap({ UInt64($0, radix: 16) })
        else { return nil }
        self.init(epoch: epoch, rowsUsed: rowsUsed, seed: seed, fingerprint: fingerprint)
    }

    init(epoch: Int, rowsUsed: Int, seed: UInt64, fingerprint: UInt64) {
        self.epoch = epoch
        self.rowsUsed = rowsUsed
        self.seed = seed
        self.fingerprint = fingerprint
    }
}

/// A position that does not fit the data.
public struct ResumeError: OperationalError, Hashable {
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?
}
