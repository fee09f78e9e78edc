/// Text on its way from the caller's string to the model: its bytes, where each came from, and the
/// pieces it is cut into. Normalizers and pre-tokenizers change it in place, one after another.
struct PreparedText {
    /// The caller's whole text while nothing has rewritten it; then only this segment's.
    private(set) var bytes: [UInt8]
    /// For each byte of rewritten text the range of the caller's text that it stands for; nil while
    /// byte `i` here is byte `i` of the caller's text, and where nobody asks.
    fileprivate var origins: [Range<Int>]?
    /// Whether rewriting keeps account of where bytes came from, which takes longer than the
    /// rewriting itself.
    fileprivate let tracksSource: Bool
    /// Ranges of `bytes`, in order; no model merge crosses their borders.
    var pieces: [Range<Int>]

    init(source: [UInt8], segment: Range<Int>, tracksSource: Bool = true) {
        bytes = source
        pieces = segment.isEmpty ? [] : [segment]
        self.tracksSource = tracksSource
    }

    init(whole source: [UInt8]) {
        self.init(source: source, segment: 0..<source.count)
    }

    /// The bytes of all pieces, one after another.
    var pieceBytes: [UInt8] { pieces.flatMap { bytes[$0] } }

    /// The part of the caller's text (byte offsets) that `range` of `bytes` stands for. Parts of a
    /// character count as the whole of it. Without a meaning where rewritten text does not track
    /// its source.
    @inline(__always)
    func sourceRange(of range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else { return range }
        if let origins {
            let lower = origins[range.lowerBound].lowerBound
            return lower..<max(lower, origins[range.upperBound - 1].upperBound)
        }
        var lower = range.lowerBound
        while lower > 0, bytes[lower] & 0xC0 == 0x80 { lower -= 1 }
        var upper = range.upperBound
        while upper < bytes.count, bytes[upper] & 0xC0 == 0x80 { upper += 1 }
        return lower..<upper
    }

    /// Cuts every piece where `scanner` says a piece ends.
    mutating func split<Scanner: PieceScanner>(with scanner: Scanner) {
        var result: [Range<Int>] = []
        result.reserveCapacity(pieces.count * 2)
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            for piece in pieces {
                var start = piece.lowerBound
                while start < piece.upperBound {
                    let end = scanner.pieceEnd(in: base, from: start, to: piece.upperBound)
                    result.append(start..<end)
                    start = end
                }
            }
        }
        pieces = result
    }

    /// Replaces the text of every piece by what `rewrite` appends for it; pieces keep their
    /// borders.
    mutating func rewritePieces(_ rewrite: (ByteBuffer, Range<Int>, inout TextRewriter) -> Void) {
        var rewriter = TextRewriter(self)
        var newPieces: [Range<Int>] = []
        newPieces.reserveCapacity(pieces.count)
        bytes.withUnsafeBufferPointer { buffer in
            for piece in pieces {
                let start = rewriter.bytes.count
                rewrite(buffer, piece, &rewriter)
                if rewriter.bytes.count > start { newPieces.append(start..<rewriter.bytes.count) }
            }
        }
        if tracksSource { origins = rewriter.origins }
        bytes = rewriter.bytes
        pieces = newPieces
    }
}

/// Collects rewritten text together with the range of the caller's text that each byte stands for.
struct TextRewriter {
    private let old: PreparedText
    private(set) var bytes: [UInt8] = []
    fileprivate var origins: [Range<Int>] = []

    init(_ old: PreparedText) {
        self.old = old
        bytes.reserveCapacity(old.bytes.count)
        if old.tracksSource { origins.reserveCapacity(old.bytes.count) }
    }

    /// `origin` is the range of the old text that the scalar stands for.
    mutating func append(scalar: UInt32, from origin: Range<Int>) {
        let start = bytes.count
        bytes.append(scalar: scalar)
        appendOrigin(origin, count: bytes.count - start)
    }

    mutating func append(byte: UInt8, from origin: Range<Int>) {
        bytes.append(byte)
        appendOrigin(origin, count: 1)
    }

    @inline(__always)
    private mutating func appendOrigin(_ origin: Range<Int>, count: Int) {
        guard old.tracksSource else { return }
        let range = old.sourceRange(of: origin)
        for _ in 0..<count { origins.append(range) }
    }

    /// Copies bytes that do not change.
    @inline(__always)
    mutating func copy(_ range: Range<Int>, of text: ByteBuffer) {
        guard !range.isEmpty else { return }
        bytes.append(contentsOf: ByteBuffer(rebasing: text[range]))
        guard old.tracksSource else { return }
        if let known = old.origins {
            known.withUnsafeBufferPointer {
                origins.append(contentsOf: UnsafeBufferPointer(rebasing: $0[range]))
            }
            return
        }
        for index in range {
            let byte = index..<index + 1
            origins.append(text[index] < 0x80 ? byte : old.sourceRange(of: byte))
        }
    }
}

/// A scalar of rewritten text, and how it moves on in the old one: 0 takes one character, a
/// positive number none (it was inserted), -n takes n more (they were joined to it, or dropped
/// after it).
struct ScalarChange {
    var scalar: UInt32
    var change: Int
}

extension TextRewriter {
    /// Characters of the result stand for those of the old text in order, also where some changed
    /// places or went before the first; an inserted one stands for the one before. So the
    /// reference has it. The first stands for what is at `start` of the old text; returns where
    /// the text goes on behind the last.
    mutating func append(
        _ changes: [ScalarChange], from start: Int, in piece: Range<Int>, of old: ByteBuffer
    ) -> Int {
        guard let base = old.baseAddress else { return start }
        var next = start
        for symbol in changes {
            if symbol.change > 0 || next >= piece.upperBound {
                let start = next > piece.lowerBound ? base.scalarStart(before: next) : next
                append(scalar: symbol.scalar, from: start..<next)
                continue
            }
            append(scalar: symbol.scalar, from: next..<next + base.scalar(at: next).length)
            for _ in 0...(-symbol.change) where next < piece.upperBound {
                next += base.scalar(at: next).length
            }
        }
        return next
    }
}

/// Finds where pieces end in text that it cuts without gaps.
protocol PieceScanner: Sendable {
    /// The end of the piece that begins at `start`; more than `start`, at most `end`.
    func pieceEnd(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int
}

/// One step before the model: a normalizer or a pre-tokenizer.
protocol TextStage: Sendable {
    /// Whether it asks for ``PreparedText/sourceRange(of:)``.
    var readsSource: Bool { get }

    func apply(to text: inout PreparedText)
}

extension TextStage {
    var readsSource: Bool { false }
}
