/// SentencePiece's compiled rules: a double-array trie from byte strings to their replacements.
///
/// Source: Yata's Darts-clone, whose units SentencePiece stores in `precompiled_charsmap`.
struct PrecompiledNormalizer: TextStage {
    private let units: [UInt32]
    private let replacements: [UInt8]

    /// Nil when the bytes are no such table.
    init?(base64: String) {
        guard let bytes = Base64.decode(base64), bytes.count >= 4 else { return nil }
        let size = Int(Self.word(bytes, at: 0))
        guard size % 4 == 0, size <= bytes.count - 4 else { return nil }
        units = stride(from: 4, to: 4 + size, by: 4).map { Self.word(bytes, at: $0) }
        replacements = Array(bytes[(4 + size)...])
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            var changes: [ScalarChange] = []
            var index = piece.lowerBound
            for character in String(decoding: old[piece], as: UTF8.self) {
                let end = index + character.utf8.count
                append(index..<end, of: old, to: &changes)
                index = end
            }
            rewriter.append(changes, insteadOf: piece, of: old)
        }
    }

    /// A short cluster may be mapped as a whole; otherwise its characters one by one.
    private func append(
        _ cluster: Range<Int>, of old: ByteBuffer, to changes: inout [ScalarChange]
    ) {
        guard let base = old.baseAddress else { return }
        if cluster.count < 6, let replacement = replacement(for: old[cluster]) {
            append(replacement, insteadOf: old[cluster], to: &changes)
            return
        }
        var index = cluster.lowerBound
        while index < cluster.upperBound {
            let (scalar, length) = base.scalar(at: index)
            let character = old[index..<index + length]
            if let replacement = replacement(for: character) {
                append(replacement, insteadOf: character, to: &changes)
            } else {
                changes.append(ScalarChange(scalar: scalar, change: 0))
            }
            index += length
        }
    }

    /// New characters stand for the old ones in order, those in excess for the last. Old ones in
    /// excess count to the character before; without one the reference forgets them.
    private func append(
        _ replacement: ArraySlice<UInt8>, insteadOf old: Slice<ByteBuffer>,
        to changes: inout [ScalarChange]
    ) {
        let scalars = String(decoding: replacement, as: UTF8.self).unicodeScalars
        let difference = scalars.count - old.count { $0 & 0xC0 != 0x80 }
        for (index, scalar) in scalars.enumerated() {
            let isInserted = index >= scalars.count - max(difference, 0)
            changes.append(ScalarChange(scalar: scalar.value, change: isInserted ? 1 : 0))
        }
        if difference < 0, !changes.isEmpty { changes[changes.count - 1].change += difference }
    }

    /// The replacement of the shortest entry that begins the key, as the reference takes it.
    private func replacement(for key: Slice<ByteBuffer>) -> ArraySlice<UInt8>? {
        var position = 0
        guard !units.isEmpty else { return nil }
        position ^= offset(units[0])
        for byte in key {
            position ^= Int(byte)
            guard byte != 0, units.indices.contains(position) else { return nil }
            let unit = units[position]
            guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
            position ^= offset(unit)
            guard unit >> 8 & 1 == 1 else { continue }
            guard units.indices.contains(position) else { return nil }
            let start = Int(units[position] & 0x7FFF_FFFF)
            guard start < replacements.count else { return nil }
            let replacement = replacements[start...].prefix { $0 != 0 }
            // A broken table must not put half a character into the text.
            return String(validating: replacement, as: UTF8.self) == nil ? nil : replacement
        }
        return nil
    }

    private func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }
}

enum Base64 {
    /// Nil for text that is not Base64 (RFC 4648).
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for character in text.utf8 where character != UInt8(ascii: "=") {
            guard let value = value(of: character) else { return nil }
            bits = bits << 6 | value
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
            }
        }
        return bytes
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
