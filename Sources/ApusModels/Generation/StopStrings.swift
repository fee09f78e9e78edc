/// Finds the first of some strings in text that arrives in pieces, and holds back what may be the
/// beginning of one.
public struct StopStrings: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    /// Whether a stop string was found; nothing is released after it.
    public private(set) var isFound = false

    public init(_ stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// The text that can be shown now: without the stop string and what follows it.
    public mutating func append(_ piece: String) -> String {
        if isFound { return "" }
        held += piece.utf8
        if let start = stops.compactMap({ firstPlace(of: $0) }).min() {
            isFound = true
            return release(start)
        }
        // Stop strings and pieces are whole characters, so that no cut falls inside one.
        let waiting = stops.map { beginningLength(of: $0) }.max() ?? 0
        return release(held.count - waiting)
    }

    /// What was held back; call after the last piece.
    public mutating func finish() -> String { isFound ? "" : release(held.count) }

    private mutating func release(_ count: Int) -> String {
        defer { held.removeFirst(count) }
        return String(decoding: held[..<count], as: UTF8.self)
    }

    private func firstPlace(of stop: [UInt8]) -> Int? {
        guard stop.count <= held.count else { return nil }
        return (0...held.count - stop.count).first { held[$0...].starts(with: stop) }
    }

    /// How many bytes at the end are the beginning of a stop string.
    private func beginningLength(of stop: [UInt8]) -> Int {
        let longest = min(stop.count - 1, held.count)
        return (0...longest).reversed().first { held.suffix($0).elementsEqual(stop.prefix($0)) }
            ?? 0
    }
}
