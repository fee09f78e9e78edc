/// What reading collects on its way through the entries: every problem, and the origin of every
/// value.
struct ReadingState {
    private(set) var problems: [Problem] = []
    private(set) var origins: [String: Origin] = [:]
    /// Settings of other tools that are written down but off, and therefore harmless.
    private(set) var inactive: [String] = []
    private var path: [String] = []

    var dottedPath: String { path.joined(separator: ".") }

    /// Runs `body` one level deeper.
    mutating func at<Result>(_ name: String, _ body: (inout ReadingState) -> Result) -> Result {
        path.append(name)
        defer { path.removeLast() }
        return body(&self)
    }

    /// Remembers who gave the current value; defaults are what is not remembered.
    mutating func note(_ origin: Origin) {
        if origin != .standard { origins[dottedPath] = origin }
    }

    mutating func noteInactive(_ name: String) {
        inactive.append(path.isEmpty ? name : "\(dottedPath).\(name)")
    }

    mutating func report(_ origin: Origin, _ message: String, hint: String? = nil) {
        problems.append(Problem(origin, path: dottedPath, message, hint: hint))
    }

    /// Reports `must be ..., not ...` for the current setting.
    mutating func reject(_ entry: Entry, allowed: String) {
        report(entry.origin, "'\(dottedPath)' must be \(allowed), not \(entry.shown)")
    }
}
