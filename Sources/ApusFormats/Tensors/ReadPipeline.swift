internal import ApusBase
internal import CApusHost
internal import Dispatch
internal import Synchronization

/// Converts what has been read on other threads, while the caller reads on.
///
/// A disk, and the system's reading ahead, are fastest from beginning to end and without a pause.
/// So the caller alone reads, tensor after tensor, and converts only when the others are behind.
public final class ReadPipeline: Sendable {
    private struct State {
        var filled: [Conversion] = []
        var empty: [Piece] = []
        var made = 0
        /// Threads that convert, or will.
        var helpers = 0
        /// Which file the last bytes came from, and whether from the disk.
        var last: (file: ObjectIdentifier, isCached: Bool)?
    }

    private let state = Mutex(State())
    private let inHands = DispatchGroup()
    private let mostHelpers = min(3, Int(apus_usable_cores()) - 1)

    private static let queue = DispatchQueue(label: "apus.read", attributes: .concurrent)

    /// Enough to read on while the system finds memory for what the others write.
    private var mostPieces: Int { mostHelpers > 0 ? 4 + 4 * mostHelpers : 1 }

    private init() {}

    /// Calls `body` with a pipeline. What it read is in its place when this returns or throws.
    public static func run<Result, Failure: Error>(
        _ body: (ReadPipeline) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let pipeline = ReadPipeline()
        defer { pipeline.finish() }
        return try body(pipeline)
    }

    /// Returns when all that was read so far is in its place.
    public func finish() {
        while let conversion = state.withLock({ $0.filled.popFirst() }) {
            keep(conversion.run())
        }
        inHands.wait()
    }

    /// Whether bytes of a file are in memory already. Where the last ones of the file came from the
    /// disk, these are only because the system reads ahead.
    func isCached(_ range: Range<Int>, of file: MappedFile) -> Bool {
        state.withLock { state in
            let identity = ObjectIdentifier(file)
            if let last = state.last, last.file == identity, !last.isCached { return false }
            let isCached = file.isCached(range)
            state.last = (identity, isCached)
            return isCached
        }
    }

    /// A piece to read into.
    func takePiece() -> Piece {
        let (piece, conversion) = state.withLock { state -> (Piece?, Conversion?) in
            if let piece = state.empty.popLast() { return (piece, nil) }
            if state.made < mostPieces {
                state.made += 1
                return (Piece(), nil)
            }
            return (nil, state.filled.popFirst())
        }
        if let piece { return piece }
        // There are more pieces than helpers, so that one was waiting.
        return conversion!.run()
    }

    /// Converts later, or before ``finish()`` returns.
    func add(_ conversion: Conversion) {
        let isHelpWanted = state.withLock { state in
            state.filled.append(conversion)
            guard state.helpers < min(mostHelpers, state.filled.count) else { return false }
            state.helpers += 1
            return true
        }
        if isHelpWanted { Self.queue.async { self.help() } }
    }

    /// Returns a piece that nothing is to be converted of.
    func keep(_ piece: Piece) { state.withLock { $0.empty.append(piece) } }

    private func help() {
        while let conversion = takeConversion() {
            keep(conversion.run())
            inHands.leave()
        }
    }

    private func takeConversion() -> Conversion? {
        state.withLock { state in
            guard let conversion = state.filled.popFirst() else {
                state.helpers -= 1
                return nil
            }
            inHands.enter()
            return conversion
        }
    }
}

extension Array {
    fileprivate mutating func popFirst() -> Element? { isEmpty ? nil : removeFirst() }
}

/// Stored bytes on their way to a conversion.
///
/// `@unchecked Sendable`: one thread has it at a time.
final class Piece: @unchecked Sendable {
    /// They and their result stay in the second-level cache.
    static let byteCount = 1 << 20

    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Piece.byteCount, alignment: 64)

    deinit { bytes.deallocate() }

    func read(_ file: MappedFile, _ place: Range<Int>) throws(FileError) {
        let target = UnsafeMutableRawBufferPointer(rebasing: bytes[..<place.count])
        try file.read(at: place.lowerBound, into: target)
    }
}
