internal import ApusBase
internal import ApusFormats

/// Pairs of answers to one prompt, of which people prefer one: the type `preference` of TRL.
public struct PreferenceDataset: Sendable {
    /// The two samples of pair i have index i in both. Only the answers are trained.
    public private(set) var chosen = TokenStore()
    public private(set) var rejected = TokenStore()
    /// Counts pairs; tokens are those of both samples.
    public private(set) var report = DataReport()

    public var count: Int { chosen.count }

    /// Reads and tokenises all sources, in their order. Records have `chosen` and `rejected`, as
    /// texts or as lists of messages, and perhaps a `prompt`; without one, what both begin with is
    /// the prompt. Pairs of which one is too long are dropped or truncated together.
    ///
    /// Throws as ``Dataset/load(_:encoder:renderer:options:)``.
    public static func load(
        _ paths: [String], format: DataFormat? = nil, chat: ChatFields = ChatFields(),
        encoder: any TextEncoder, renderer: (any ChatRenderer)?,
        options: Dataset.Options = Dataset.Options()
    ) throws -> PreferenceDataset {
        var dataset = PreferenceDataset()
        var faults = FaultList()
        let builder = PreferenceBuilder(chat: chat, encoder: encoder, renderer: renderer)
        for path in try paths.flatMap({ try DataPaths.expand($0, format: format) }) {
            let file = try DataFormat.open(path, format)
            for index in 0..<file.count {
                dataset.report.records += 1
                let fault = FaultList.fault {
                    dataset.add(try builder.pair(try file.record(index)), options)
                }
                if let fault { faults.note(file, index, fault) }
            }
        }
        try faults.check()
        guard dataset.count > 0 else {
            throw EmptyDatasetError(paths: paths, report: dataset.report)
        }
        return dataset
    }

    private mutating func add(_ pair: PreferenceBuilder.Pair, _ options: Dataset.Options) {
        var pair = pair
        let longest = max(pair.chosen.count, pair.rejected.count)
        report.longestRecord = max(report.longestRecord, longest)
        if longest > options.sequenceLength {
            guard options.excessLength == .truncate else { return report.drop(.tooLong) }
            pair.chosen.truncate(to: options.sequenceLength)
            pair.rejected.truncate(to: options.sequenceLength)
        }
        let trained = (pair.chosen.trainedCount, pair.rejected.trainedCount)
        guard trained.0 > 0, trained.1 > 0 else { return report.drop(.nothingTrained) }
        if longest > options.sequenceLength { report.truncated += 1 }
        report.samples += 1
        report.tokens += pair.chosen.count + pair.rejected.count
        report.trainedTokens += trained.0 + trained.1
        report.longestSample = max(report.longestSample, min(longest, options.sequenceLength))
        chosen.append(pair.chosen, trained: trained.0)
        rejected.append(pair.rejected, trained: trained.1)
    }
}

/// Makes two samples of a record.
struct PreferenceBuilder {
    typealias Pair = (chosen: TokenizedSample, rejected: TokenizedSample)

    let chat: ChatFields
    let encoder: any TextEncoder
    let renderer: (any ChatRenderer)?

    func pair(_ record: JSON) throws -> Pair {
        guard let row = record.objectValue else {
            throw SampleBuilder.Fault(problem: "\(record.kind) where an object should stand")
        }
        for field in ["chosen", "rejected"] where row[field] == nil {
            throw missing(field, in: row)
        }
        let (chosen, rejected) = (row["chosen"]!, row["rejected"]!)
        if let better = chosen.arrayValue, let worse = rejected.arrayValue {
            let prompt = row["prompt"]?.arrayValue
            let common = prompt ?? Array(zip(better, worse).prefix { $0 == $1 }.map(\.0))
            let begin = prompt == nil ? common.count : 0
            return (
                try messages(row, common, Array(better[begin...])),
                try messages(row, common, Array(worse[begin...]))
            )
        }
        guard let better = chosen.stringValue, let worse = rejected.stringValue else {
            throw SampleBuilder.Fault(
                problem: "\"chosen\" is \(chosen.kind) and \"rejected\" \(rejected.kind)",
                remedy: "both must be texts, or lists of messages")
        }
        let common = Self.commonBeginning(better, worse)
        let prompt = row["prompt"]?.stringValue
        let begin = prompt == nil ? common.endIndex : better.startIndex
        return (
            texts(prompt ?? common, String(better[begin...])),
            texts(prompt ?? common, String(worse.dropFirst(better[..<begin].count)))
        )
    }

    /// What two texts have in common, up to a space: a word is not taken apart.
    private static func commonBeginning(_ left: String, _ right: String) -> String {
        let count = zip(left, right).prefix { $0 == $1 }.count
        let common = left.prefix(count)
        guard count < left.count || count < right.count else { return "" }
        let end = common.lastIndex(where: \.isWhitespace) ?? common.startIndex
        return String(common[..<end])
    }

    private func texts(_ prompt: String, _ answer: String) -> TokenizedSample {
        SampleBuilder.continuation(of: prompt, by: answer, encoder)
    }

    private func messages(
        _ row: JSONObject, _ prompt: [JSON], _ answer: [JSON]
    ) throws -> TokenizedSample {
        try ChatSampleBuilder(chat, encoder, renderer).sample(
            row, prompt: prompt, answer: answer)
    }
}
