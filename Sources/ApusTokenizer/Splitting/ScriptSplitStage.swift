/// Cuts where the script changes: `UnicodeScripts`. Spaces and what else has no script stay with
/// the text before them; at the beginning of a piece they are dropped, as the reference has it.
struct ScriptSplitStage: TextStage {
    private let scripts = ScriptRuns.shared

    func apply(to text: inout PreparedText) {
        var pieces: [Range<Int>] = []
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in text.pieces { cut(piece, of: bytes, into: &pieces) }
        }
        text.pieces = pieces
    }

    private func cut(_ piece: Range<Int>, of bytes: ByteBuffer, into pieces: inout [Range<Int>]) {
        guard let base = bytes.baseAddress else { return }
        var index = piece.lowerBound
        var start: Int?
        var last: UInt8?
        while index < piece.upperBound {
            let (scalar, length) = base.scalar(at: index)
            if let script = scripts.number(of: scalar) {
                if script != last {
                    if let start { pieces.append(start..<index) }
                    start = index
                }
                last = script
            }
            index += length
        }
        if let start { pieces.append(start..<piece.upperBound) }
    }
}

/// A number for the script of every scalar, with kana counted as Han.
struct ScriptRuns: Sendable {
    static let shared = ScriptRuns()

    private struct Run: Sendable {
        var range: ClosedRange<UInt32>
        var number: UInt8
    }

    private let runs: [Run]

    private init() {
        runs = ScriptTable.runs.withUTF8Buffer { text in
            text.split(separator: UInt8(ascii: ";")).map { entry in
                let sides = entry.split(separator: UInt8(ascii: "="))
                let number = sides[0].reduce(0) { $0 * 10 + Int($1) - 48 }
                return Run(range: ScalarRanges.parse(sides[1])[0], number: UInt8(number))
            }
        }
    }

    /// Nil for a space and for what has no script.
    func number(of scalar: UInt32) -> UInt8? {
        guard scalar != 0x20 else { return nil }
        var (low, high) = (0, runs.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if runs[middle].range.lowerBound <= scalar { low = middle } else { high = middle }
        }
        return runs[low].range.contains(scalar) ? runs[low].number : nil
    }
}
