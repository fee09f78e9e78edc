public import ApusBase

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
