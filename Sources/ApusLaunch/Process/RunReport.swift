internal import ApusBase

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How a run ended, in words.
public struct RunReport: Sendable {
    public let outcome: Supervision.Outcome
    public let worldSize: Int
    public internal(set) var lastWords: [String] = []
    public internal(set) var logPath: String?
    /// The kernel killed a process for lack of memory while the run was on.
    public internal(set) var ranOutOfMemory = false
    /// Where the run was, such as "after step 12".
    public var progress: String?
    /// What a rank reported as its reason to end: known even where its log could not be written.
    public var reportedError: String?

    public init(outcome: Supervision.Outcome, worldSize: Int) {
        self.outcome = outcome
        self.worldSize = worldSize
    }

    /// What the launcher exits with: 0 only for success, 128 + n after signal n as shells do.
    public var exitCode: Int32 {
        switch outcome {
        case .succeeded: 0
        case .stopped: RankExitCode.stopped
        case .interrupted(let signal, _): 128 + signal
        case .failed(let culprit):
            switch culprit.status {
            case .code(let code): code
            case .signal(let signal): 128 + signal
            }
        }
    }

    /// Nil for success.
    public var message: String? {
        switch outcome {
        case .succeeded: nil
        case .stopped(let signal):
            "stopped" + (signal.map { " by \(signalName($0))" } ?? "")
                + (progress.map { " \($0)" } ?? "")
                + ": the state is saved, and the same command goes on from there"
        case .interrupted(let signal, let wasForced):
            "stopped by \(signalName(signal))" + (progress.map { " \($0)" } ?? "")
                + (wasForced ? "; ranks that did not end by themselves were killed" : "")
                + (reportedError.map(badEnding) ?? "")
        case .failed(let culprit): failure(culprit)
        }
    }

    private func failure(_ culprit: Supervision.Ended) -> String {
        let place = progress.map { " \($0)" } ?? ""
        var lines = ["rank \(culprit.rank) of \(worldSize) \(culprit.status.words)\(place)"]
        let memory =
            "the system ran out of memory and killed it (its counter of such kills went up)"
        if let cause = ranOutOfMemory ? memory : culprit.status.likelyCause {
            lines.append("  likely cause: \(cause)")
        }
        if let remedy = culprit.status.remedy { lines.append("  remedy: \(remedy)") }
        let log = logPath.map { " (\($0))" } ?? ""
        if let reportedError, culprit.status == .code(1), !logHolds(reportedError) {
            lines += ["  rank 0 reported:", Self.quote(reportedError)]
        }
        if lastWords.isEmpty {
            lines.append("  it printed nothing\(log)")
        } else {
            lines.append("  its last words\(log):")
            lines.append(Self.quote(lastWords.joined(separator: "\n")))
        }
        if worldSize > 1 { lines.append("  the other ranks were ended") }
        return lines.joined(separator: "\n")
    }

    private func badEnding(_ error: String) -> String {
        "\n  but rank 0 did not end well:\n" + Self.quote(error)
    }

    /// Logs are on disks that may be full.
    private func logHolds(_ error: String) -> Bool {
        let first = error.prefix { $0 != "\n" }
        return lastWords.contains { $0.contains(first) }
    }

    private static func quote(_ text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.map { "    | \($0)" }.joined(separator: "\n")
    }
}

/// Whether the kernel's out-of-memory killer was at work since this value was made.
struct OutOfMemoryCount {
    private let before = Self.count()

    var hasGrown: Bool {
        guard let before, let now = Self.count() else { return false }
        return now > before
    }

    private static func count() -> Int? {
        let lines = (SystemFile.text("/proc/vmstat") ?? "").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("oom_kill ") }
        return line?.split(separator: " ").last.flatMap { Int($0) }
    }
}
