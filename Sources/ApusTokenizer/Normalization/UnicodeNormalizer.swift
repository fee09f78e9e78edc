/// The four Unicode normal forms (UAX 15).
struct UnicodeNormalizer: TextStage {
    enum Form: UInt8, Sendable {
        case nfc, nfd, nfkc, nfkd

        /// In ``NormalizationData``'s table.
        var bit: UInt8 { 1 << rawValue }
        var isCompatible: Bool { self == .nfkc || self == .nfkd }
        var composes: Bool { self == .nfc || self == .nfkc }
    }

    let form: Form
    private let data = NormalizationData.shared

    init(form: Form) { self.form = form }

    func apply(to text: inout PreparedText) {
        guard text.bytes.contains(where: { $0 >= 0xC2 }) else { return }
        text.rewritePieces { old, piece, rewriter in
            var copied = piece.lowerBound
            while let part = nextChange(in: old, copied..<piece.upperBound) {
                rewriter.copy(copied..<part.lowerBound, of: old)
                copied = rewriter.append(
                    normalize(old, part), from: part.lowerBound, in: piece, of: old)
            }
            rewriter.copy(copied..<piece.upperBound, of: old)
        }
    }

    /// The next characters that may change, with the one before, to which they may be joined.
    /// Nothing outside has a part in what becomes of them.
    private func nextChange(in text: ByteBuffer, _ range: Range<Int>) -> Range<Int>? {
        guard let base = text.baseAddress else { return nil }
        var index = range.lowerBound
        var start = index
        while index < range.upperBound {
            let (scalar, length) = base.scalar(at: index)
            if scalar >= 0xA0, data.mayChange(scalar, in: form) { break }
            start = index
            index += length
        }
        guard index < range.upperBound else { return nil }
        while index < range.upperBound {
            let (scalar, length) = base.scalar(at: index)
            guard data.mayChange(scalar, in: form) else { break }
            index += length
        }
        return start..<index
    }

    private func normalize(_ old: ByteBuffer, _ piece: Range<Int>) -> [ScalarChange] {
        guard let base = old.baseAddress else { return [] }
        var symbols: [ScalarChange] = []
        var index = piece.lowerBound
        while index < piece.upperBound {
            let (scalar, length) = base.scalar(at: index)
            let parts = data.decomposition(scalar, compatible: form.isCompatible) ?? [scalar]
            for (position, part) in parts.enumerated() {
                symbols.append(ScalarChange(scalar: part, change: position == 0 ? 0 : 1))
            }
            index += length
        }
        reorder(&symbols)
        return form.composes ? compose(symbols) : symbols
    }

    /// Sorts every run of combining marks by their class; marks of one class keep their order.
    private func reorder(_ symbols: inout [ScalarChange]) {
        var start = 0
        while start < symbols.count {
            guard data.combiningClass(symbols[start].scalar) > 0 else {
                start += 1
                continue
            }
            var end = start + 1
            while end < symbols.count, data.combiningClass(symbols[end].scalar) > 0 { end += 1 }
            let classes = symbols[start..<end].map { data.combiningClass($0.scalar) }
            let order = classes.indices.sorted { (classes[$0], $0) < (classes[$1], $1) }
            let run = Array(symbols[start..<end])
            for (offset, index) in order.enumerated() { symbols[start + offset] = run[index] }
            start = end
        }
    }

    /// Joins every mark to the last starter unless another mark of its class or above stands
    /// between.
    private func compose(_ symbols: [ScalarChange]) -> [ScalarChange] {
        var result: [ScalarChange] = []
        var starter: Int?
        var lastClass: UInt8 = 0
        for symbol in symbols {
            let combiningClass = data.combiningClass(symbol.scalar)
            if let position = starter {
                let isNext = position == result.count - 1
                let isBlocked = !isNext && (lastClass == 0 || lastClass >= combiningClass)
                if !isBlocked,
                    let composed = data.composition(result[position].scalar, symbol.scalar)
                {
                    result[position].scalar = composed
                    result[position].change += symbol.change - 1
                    continue
                }
            }
            if combiningClass == 0 { starter = result.count }
            lastClass = combiningClass
            result.append(symbol)
        }
        return result
    }
}
