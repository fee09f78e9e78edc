/// Scalars of some general categories as single steps of the reference library see them: each
/// follows a Unicode version of its own, and equal ids need the same answers.
struct ScalarClass: Sendable {
    private let categories: CategorySet
    private let missing: [ClosedRange<UInt32>]
    private let extra: [ClosedRange<UInt32>]

    private init(_ categories: CategorySet, missing: StaticString, extra: StaticString) {
        self.categories = categories
        self.missing = ScalarRanges.parse(missing)
        self.extra = ScalarRanges.parse(extra)
    }

    /// Marks without a width of their own, for BERT.
    static let nonspacing = ScalarClass(
        CategorySet(.mn), missing: CategoryTable.nonspacingMissing,
        extra: CategoryTable.nonspacingExtra)

    /// Marks, for `StripAccents`.
    static let marks = ScalarClass(
        .mark, missing: CategoryTable.marksMissing, extra: CategoryTable.marksExtra)

    /// Control characters, for BERT.
    static let controls = ScalarClass(
        CategorySet(.cc, .cf, .co), missing: CategoryTable.controlsMissing,
        extra: CategoryTable.controlsExtra)

    /// Punctuation beyond ASCII, for `Punctuation` and BERT.
    static let punctuation = ScalarClass(
        .punctuation, missing: CategoryTable.punctuationMissing,
        extra: CategoryTable.punctuationExtra)

    func contains(_ scalar: UInt32) -> Bool {
        if ScalarTable.shared.contains(scalar, in: categories) {
            return !Self.contains(scalar, in: missing)
        }
        return Self.contains(scalar, in: extra)
    }

    /// Binary search in ranges that are in order.
    private static func contains(_ scalar: UInt32, in ranges: [ClosedRange<UInt32>]) -> Bool {
        guard let first = ranges.first, scalar >= first.lowerBound else { return false }
        var (low, high) = (0, ranges.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if ranges[middle].lowerBound <= scalar { low = middle } else { high = middle }
        }
        return ranges[low].contains(scalar)
    }
}
