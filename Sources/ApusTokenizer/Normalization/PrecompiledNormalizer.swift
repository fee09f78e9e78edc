/// SentencePiece's compiled rules: a double-array trie from byte strings to their replacements.
///
/// Source: Yata's Darts-clone, whose units SentencePiece stores in `precompiled_charsmap`.
struct PrecompiledNormalizer: TextStage {
    private let units: [UInt32]
    private let replacements: [UInt8]
    /// Asked once: most text is ASCII.
    private var changesASCII = [Bool](repeating: true, count: 128)

    /// Nil when the bytes are no such table.
    init?(base64: String) {
        guard let bytes = Base64.decode(base64), bytes.count >= 4 else { return nil }
        let size = Int(Self.word(bytes, at: 0))
        guard size % 4 == 0, size <= bytes.count - 4 else { return nil }
        units = stride(from: 4, to: 4 + size, by: 4).map { Self.word(bytes, at: $0) }
        replacements = Array(bytes[(4 + size)...])
        changesASCII = (0..<128).map { replacement(for: [UInt8($0)]) != nil }
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            var changes: [ScalarChange] = []
            // What the first of the changes stands for. It stays behind where the text began with
            // something that is dropped.
            var place = piece.lowerBound
            var index = piece.lowerBound
            while index < piece.upperBound {
                let unchanged = unchangedEnd(in: old, index..<piece.upperBound)
                guard unchanged > index else {
                    index = appendClusters(in: old, index..<piece.upperBound, to: &changes)
                    continue
                }
                place = rewriter.append(changes, from: place, in: piece, of: old)
                changes.removeAll(keepingCapacity: true)
                if place == index {
                    rewriter.copy(index..<unchanged, of: old)
                    place = unchanged
                } else {
                    appendUnchanged(index..<unchanged, of: old, to: &changes)
                }
                index = unchanged
            }
            _ = rewriter.append(changes, from: place, in: piece, of: old)
        }
    }

    /// The end of the characters from the beginning of `range` that are clusters of their own and
    /// stay as they are, but for the last of them: what is dropped behind it counts to it.
    private func unchangedEnd(in text: ByteBuffer, _ range: Range<Int>) -> Int {
        guard let base = text.baseAddress else { return range.lowerBound }
        var (index, last) = (range.lowerBound, range.lowerBound)
        while index < range.upperBound {
            let (scalar, length) = base.scalar(at: index)
            let end = index + length
            guard Self.standsAlone(scalar),
                end == range.upperBound || Self.standsAlone(base.scalar(at: end).value),
                scalar < 0x80
                    ? !changesASCII[Int(scalar)] : replacement(for: text[index..<end]) == nil
            else { break }
            last = index
            index = end
        }
        return last
    }

    private func appendUnchanged(
        _ range: Range<Int>, of old: ByteBuffer, to changes: inout [ScalarChange]
    ) {
        guard let base = old.baseAddress else { return }
        var index = range.lowerBound
        while index < range.upperBound {
            let (scalar, length) = base.scalar(at: index)
            changes.append(ScalarChange(scalar: scalar, change: 0))
            index += length
        }
    }

    /// Maps clusters up to a place where two characters that stand alone meet; returns that place.
    private func appendClusters(
        in old: ByteBuffer, _ range: Range<Int>, to changes: inout [ScalarChange]
    ) -> Int {
        guard let base = old.baseAddress else { return range.upperBound }
        var end = range.lowerBound
        var before = false
        while end < range.upperBound {
            let (scalar, length) = base.scalar(at: end)
            let standsAlone = Self.standsAlone(scalar)
            if before, standsAlone { break }
            before = standsAlone
            end += length
        }
        var index = range.lowerBound
        for character in String(decoding: old[index..<end], as: UTF8.self) {
            let next = index + character.utf8.count
            append(index..<next, of: old, to: &changes)
            index = next
        }
        return end
    }

    /// Whether the character is certainly not in one cluster with a neighbour of this kind (UAX
    /// 29); of others, clusters have to be searched.
    private static func standsAlone(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x9, 0xA, 0x20...0x7E, 0xA0...0xA8, 0xAF...0x2FF, 0x370...0x482, 0x48A...0x58F,
            0x5D0...0x5EA, 0x620...0x64A, 0x2010...0x2027, 0x3000...0x3029, 0x3041...0x3096,
            0x30A1...0x30FA, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xFF01...0xFF9D:
            true
        default: false
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
    private func replacement(for key: some Sequence<UInt8>) -> ArraySlice<UInt8>? {
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
