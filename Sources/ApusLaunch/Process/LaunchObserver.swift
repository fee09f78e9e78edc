/// What somebody who shows a run wants to know. Called on the launcher's thread.
public protocol LaunchObserver: AnyObject {
    /// A line that a rank printed (with `RankOutput.pipes`).
    func printed(_ line: String, byRank rank: Int, to stream: OutputStream)
    /// A line that rank 0 wrote to its events descriptor.
    func reported(_ line: String)
    /// The ranks have been told to end, and why.
    func isEnding(_ outcome: Supervision.Outcome)
    /// Time passed: several times a second.
    func tick()
    /// The terminal has another size.
    func resized()
}

public enum OutputStream: Sendable, Hashable {
    case standardOutput, standardError
}

extension LaunchObserver {
    public func reported(_ line: String) {}
    public func isEnding(_ outcome: Supervision.Outcome) {}
    public func tick() {}
    public func resized() {}
}
