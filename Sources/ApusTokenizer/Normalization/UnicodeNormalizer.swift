/// The four Unicode normal forms (UAX 15).
struct UnicodeNormalizer: TextStage {
    enum Form: Sendable {
        case nfc, nfd, nfkc, nfkd

        var isCompatible: Bool { self == .nfkc || self == .nfkd }
        var composes: Bool { self == .nfc || self == .nfkc }
    }

    let form: Form
    private let data = NormalizationData.shared

    init(form: Form) { self.form = form }

    func apply(to text: inout PreparedText) {
        guard mayChange(text) else { return }
        text.rewritePieces { old, piece, rewriter in
            rewriter.append(normalize(old, piece), insteadOf: piece, of: old)
        }
    }

    private func mayChange(_ text: PreparedText) -> Bool {
        text.bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return false }
            return text.pieces.contains { piece in
                var index = piece.lowerBound
                while index < piece.upperBound {
                    let (scalar, length) = base.scalar(at: index)
                    if scalar >= 0xA0, mayChange(scalar) { return true }
                    index += length
                }
                return false
            }
        }
    }

    private func mayChange(_ scalar: UInt32) -> Bool {
        switch form {
        case .nfc:
            return data.mayChangeWhenComposed(scalar)
        case .nfkc:
            return data.mayChangeWhenComposed(scalar)
                || data.decomposition(scalar, compatible: true) != nil
        case .nfd, .nfkd:
            return data.combiningClass(scalar) > 0
                || data.decomposition(scalar, compatible: form.isCompatible) != nil
        }
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
