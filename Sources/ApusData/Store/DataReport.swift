public import ApusBase

/// What became of the records of a data set: everything that was read is accounted for.
public struct DataReport: Sendable, Hashable {
    /// Why a record is not among the samples.
    public enum DropReason: String, Sendable, Hashable, CaseIterable {
        /// More tokens than a sequence may have.
        case tooLong = "too long"
        /// No token, or one alone: there is nothing to predict.
        case empty = "empty"
        /// No token that the loss would count, as a conversation without an answer.
        case nothingTrained = "nothing to train"
    }

    /// Records in the files.
    public var records = 0
    /// Samples made of them.
    public var samples = 0
    public var dropped: [DropReason: Int] = [:]
    /// Samples that lost their end.
    public var truncated = 0
    /// Records that became several samples.
    public var split = 0
    public var tokens = 0
    /// Tokens that the loss counts.
    public var trainedTokens = 0
    /// Tokens of the longest sample that was kept, and of the longest before anything was cut.
    public var longestSample = 0
    public var longestRecord = 0

    public init() {}

    public var droppedCount: Int { dropped.values.reduce(0, +) }

    mutating func drop(_ reason: DropReason) { dropped[reason, default: 0] += 1 }

    mutating func keep(_ sample: TokenizedSample, trained: Int) {
        samples += 1
        tokens += sample.count
        trainedTokens += trained
        longestSample = max(longestSample, sample.count)
    }
}

extension DataReport: CustomStringConvertible {
    /// `1,200 samples, 250000 tokens (40.0 % trained), longest 512; dropped 3 (too long 3)`
    public var description: String {
        let share = tokens == 0 ? 0 : 100 * Double(trainedTokens) / Double(tokens)
        var text = "\(samples) samples, \(tokens) tokens (\(share.fixed(1)) % trained), "
        text += "longest \(longestSample)"
        if droppedCount > 0 {
            let reasons = DropReason.allCases.compactMap { reason in
                dropped[reason].map { "\(reason.rawValue) \($0)" }
            }
            text += "; dropped \(droppedCount) (\(reasons.joined(separator: ", ")))"
        }
        if truncated > 0 { text += "; truncated \(truncated)" }
        if split > 0 { text += "; split \(split)" }
        return text
    }
}

extension DataReport {
    private static var counts: [(name: String, path: WritableKeyPath<DataReport, Int>)] {
        [
            ("records", \.records), ("samples", \.samples), ("truncated", \.truncated),
            ("split", \.split), ("tokens", \.tokens), ("trained_tokens", \.trainedTokens),
            ("longest_sample", \.longestSample), ("longest_record", \.longestRecord),
        ]
    }

    /// The account as a JSON object.
    public var json: JSON {
        var object = JSONObject()
        for (name, path) in Self.counts { object[name] = .integer(self[keyPath: path]) }
        var drops = JSONObject()
        for reason in DropReason.allCases {
            if let count = dropped[reason] { drops[reason.rawValue] = .integer(count) }
        }
        object["dropped"] = .object(drops)
        return .object(object)
    }

    /// Nil when `json` is not what ``json`` makes.
    init?(json: JSON) {
        self.init()
        for (name, path) in Self.counts {
            guard let count = json[name]?.intValue else { return nil }
            self[keyPath: path] = count
        }
        guard let drops = json["dropped"]?.objectValue else { return nil }
        for (name, count) in drops.members {
            guard let reason = DropReason(rawValue: name), let count = count.intValue else {
                return nil
            }
            dropped[reason] = count
        }
    }
}
