/// Decoder stages that begin with such as change each token by itself, and then join all: what
/// those make of a token is known beforehand, but for the first and the last of a text.
struct StagedDecoding: Sendable {
    /// Change each token by itself.
    private let single: ArraySlice<DecoderStage>
    /// Whether tokens may stand for single bytes: `ByteFallback`.
    private let spellsBytes: Bool
    /// Take the joined text.
    private let rest: ArraySlice<DecoderStage>
    /// What the single stages make of each token between others.
    private var texts = TokenBytes([])
    /// By id.
    private var kinds: [Kind] = []

    private enum Kind: Sendable {
        /// There is no token with the id.
        case missing
        case text
        case byte(UInt8)
    }

    /// Nil for stages in another order.
    init?(_ stages: [DecoderStage], of pipeline: Pipeline) {
        var rest = stages.drop { $0.isPerToken }
        single = stages[..<rest.startIndex]
        spellsBytes = if case .byteFallback = rest.first { true } else { false }
        if spellsBytes { rest = rest.dropFirst() }
        guard rest.isEmpty || rest.removesFuse() else { return nil }
        self.rest = rest
        let tokens = (0..<Int32(pipeline.idLimit)).map { pipeline.text(of: $0) }
        let between = tokens.map { $0.map { text(of: $0, at: .init()) } }
        kinds = between.map { token in
            guard let token else { return .missing }
            return FallbackToken.byte(of: token).map { spellsBytes ? .byte($0) : .text } ?? .text
        }
        texts = TokenBytes(between.map { $0 ?? [] })
    }

    private func text(of token: [UInt8], at position: DecoderStage.Position) -> [UInt8] {
        single.reduce(token) { $1.apply($0, at: position) }
    }

    func decode(_ all: [Int32], in pipeline: Pipeline) -> String {
        let ids = all.filter { id in
            guard id >= 0, Int(id) < kinds.count else { return false }
            if case .missing = kinds[Int(id)] { return false }
            return true
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ids.count * 5)
        var pending: [UInt8] = []
        for (index, id) in ids.enumerated() {
            if case .byte(let byte) = kinds[Int(id)] {
                pending.append(byte)
                continue
            }
            if !pending.isEmpty {
                bytes += FallbackToken.spelled(pending).joined()
                pending.removeAll(keepingCapacity: true)
            }
            if index > 0, index < ids.count - 1 {
                texts.append(id, to: &bytes)
            } else if let token = pipeline.text(of: id) {
                bytes += text(
                    of: token, at: .init(isFirst: index == 0, isLast: index == ids.count - 1))
            }
        }
        bytes += FallbackToken.spelled(pending).joined()
        guard !rest.isEmpty else { return String(decoding: bytes, as: UTF8.self) }
        let result = rest.reduce([bytes]) { $1.apply($0) }
        return String(decoding: Array(result.joined()), as: UTF8.self)
    }
}

extension ArraySlice<DecoderStage> {
    /// Whether all tokens are joined next; drops the stage that does so.
    fileprivate mutating func removesFuse() -> Bool {
        guard case .fuse = first else { return false }
        removeFirst()
        return true
    }
}

extension Pipeline {
    fileprivate func text(of id: Int32) -> [UInt8]? { token(of: id).map { Array($0.utf8) } }
}
