public import ApusBase

/// Files in which no usable sample is.
public struct EmptyDatasetError: OperationalError, Hashable {
    public let paths: [String]
    public let report: DataReport

    public var summary: String {
        let files = paths.joined(separator: ", ")
        guard report.records > 0 else { return "there are no records in \(files)" }
        return "no sample is left of \(report.records) records in \(files): \(report)"
    }

    public var likelyCause: String? {
        switch mainReason {
        case .tooLong: "the shortest record is longer than sequence_len"
        case .nothingTrained: "the roles in the file are not those that are trained"
        case .empty: "the field that the recipe names is empty"
        case nil: "the files are empty"
        }
    }

    public var remedy: String? {
        switch mainReason {
        case .tooLong: "raise sequence_len, or set excess_length_strategy: truncate"
        case .nothingTrained: "check roles_to_train and the messages' roles"
        case .empty, nil: "check the data set's path and field"
        }
    }

    private var mainReason: DataReport.DropReason? {
        report.dropped.max { $0.value < $1.value }?.key
    }
}

/// Records that cannot be used, each with file and line.
public struct DataError: OperationalError, Hashable {
    /// One broken record.
    public struct Fault: Sendable, Hashable, CustomStringConvertible {
        public let path: String
        /// Counted from 1.
        public let line: Int
        public let problem: String
        public let remedy: String?

        public var description: String { "\(path):\(line): \(problem)" }
    }

    /// The first faults, in the order of the files; more may have been counted.
    public let faults: [Fault]
    public let count: Int

    /// Faults that are listed; the rest is counted.
    static let listed = 10

    public var summary: String {
        let lines = faults.map(\.description).joined(separator: "\n  ")
        guard count > 1 else { return lines }
        let rest = count > faults.count ? "\n  and \(count - faults.count) more" : ""
        return "\(count) records cannot be used:\n  \(lines)\(rest)"
    }

    public var likelyCause: String? {
        count > 1 ? "the file has another layout than the recipe says" : "a damaged record"
    }

    public var remedy: String? {
        faults.first?.remedy ?? "correct or remove the lines, or change the data set's `type`"
    }
}
