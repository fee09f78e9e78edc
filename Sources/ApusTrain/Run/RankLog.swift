internal import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What one rank does, for people who look into its log: lines with the seconds since it began.
public struct RankLog: Sendable {
    private let descriptor: Int32
    private let began = ContinuousClock.now

    /// - descriptor: where the lines go: 1, which the launcher made the rank's log file
    public init(descriptor: Int32) { self.descriptor = descriptor }

    /// A line that cannot be written is lost: a log is no reason to end a run.
    public func write(_ text: String) {
        var line = "\((ContinuousClock.now - began).seconds.fixed(2)) s  \(text)\n"
        line.withUTF8 { bytes in
            #if canImport(Glibc)
                _ = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            #else
                _ = Darwin.write(descriptor, bytes.baseAddress, bytes.count)
            #endif
        }
    }
}

extension RunEvent {
    /// What the log says; nil for what other files hold (steps, answers) or say better (errors).
    var logLine: String? {
        switch self {
        case .phase(let name, let detail): return name + (detail.map { ": \($0)" } ?? "")
        case .start(let steps, let ranks, let parameters, _):
            return "training: \(steps) steps on \(ranks) ranks, \(parameters) parameters"
        case .evaluation(let step, let loss):
            return "held-out loss \(loss.fixed(4)) at step \(step)"
        case .saved(let path): return "saved \(path)"
        case .resumed(let step, let path, let restored):
            return "resumed from \(path), step \(step): \(restored)"
        case .note(let text): return text
        case .warning(let message): return "warning: \(message)"
        case .done(let summary):
            let end = summary.wasInterrupted ? "stopped" : "done"
            return "\(end) after step \(summary.steps)"
        case .step, .sample, .error: return nil
        }
    }
}
