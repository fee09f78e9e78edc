internal import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Writes what a rank's groups did last into `flight-record-rank-N.txt` when one of them fails, or
/// when the rank fails by itself: the files of all ranks side by side show where they parted.
struct FlightRecorder: Sendable {
    /// Where; nil: nowhere.
    var folder: String?

    /// Appends a section about a group.
    ///
    /// - Returns: a sentence that says where the record is, or why there is none; nil without a
    ///   folder
    func record(
        _ ledger: CommLedger, group: String, rank: Int, reason: String
    ) -> String? {
        guard let folder else { return nil }
        let path = "\(folder)/flight-record-rank-\(rank).txt"
        let section =
            "rank \(rank), process \(getpid()), \(group)\n\(reason)\n"
            + "its last operations, oldest first:\n\(ledger.text())\n"
        guard let failure = append(section, to: path) else {
            return "the last operations of rank \(rank) are in \(path)"
        }
        return "the last operations of rank \(rank) could not be written to \(path): \(failure)"
    }

    private func append(_ text: String, to path: String) -> String? {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return String(cString: strerror(errno)) }
            rest = rest.dropFirst(count)
        }
        return nil
    }
}

/// Writes one group's record, at most once: with its first failure, or when its rank leaves with
/// last words. Used by the thread that makes the group's calls.
final class GroupRecord {
    private let recorder: FlightRecorder
    private let ledger: CommLedger
    private let group: String
    private let rank: Int
    private var sentence: String??

    /// - Parameter group: what the group is, such as `shared memory among ranks 0, 1`
    init(_ recorder: FlightRecorder, _ ledger: CommLedger, group: String, rank: Int) {
        self.recorder = recorder
        self.ledger = ledger
        self.group = group
        self.rank = rank
    }

    /// The error with the sentence that names the record.
    func add(to error: CommError) -> CommError {
        guard let sentence = written(error.summary) else { return error }
        return error.noting(sentence)
    }

    func leave(_ lastWords: String?) {
        if let lastWords { _ = written("it left: \(lastWords)") }
    }

    private func written(_ reason: String) -> String? {
        if let sentence { return sentence }
        let written = recorder.record(ledger, group: group, rank: rank, reason: reason)
        sentence = .some(written)
        return written
    }
}
