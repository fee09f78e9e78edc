import ApusLaunch

/// Prints what ranks print.
final class PassThrough: LaunchObserver {
    private let hasPrefix: Bool

    /// - Parameter hasPrefix: whether each line begins with its `[rank]`
    init(hasPrefix: Bool) { self.hasPrefix = hasPrefix }

    func printed(_ line: String, byRank rank: Int, to stream: OutputStream) {
        let text = (hasPrefix ? "[\(rank)] " : "") + line + "\n"
        switch stream {
        case .standardOutput: Terminal.write(text)
        case .standardError: Terminal.writeError(text)
        }
    }
}
