internal import ApusBase

/// An operation as text: what ranks compare before they execute it, and publish about themselves.
struct CallText: Hashable {
    /// Bytes of the fixed form that is exchanged.
    static let byteCount = 192

    let tag: OperationTag
    let result: DType
    let op: ReduceOp
    let peer: Int

    init(_ collective: Collective, _ tag: OperationTag) {
        self.tag = tag
        result = collective.resultDtype
        op = collective.op
        peer = collective.peer
    }

    var text: String {
        let fields: [any CustomStringConvertible] = [
            tag.kind.rawValue, tag.sequence, tag.byteCount, tag.dtype, result, op.rawValue, peer,
        ]
        return fields.map(\.description).joined(separator: " ") + " " + (tag.label ?? "")
    }

    init?(text: String) {
        let fields = text.split(separator: " ", maxSplits: 7, omittingEmptySubsequences: false)
        guard fields.count == 8, let kind = UInt8(fields[0]).flatMap(Collective.Kind.init),
            let sequence = Int(fields[1]), let byteCount = Int(fields[2]),
            let dtype = DType(rawValue: String(fields[3])),
            let result = DType(rawValue: String(fields[4])),
            let op = UInt8(fields[5]).flatMap(ReduceOp.init), let peer = Int(fields[6])
        else { return nil }
        tag = OperationTag(
            kind: kind, sequence: sequence, label: fields[7].isEmpty ? nil : String(fields[7]),
            byteCount: byteCount, dtype: dtype)
        self.result = result
        self.op = op
        self.peer = peer
    }

    /// The text's bytes, cut or filled up with zeros.
    var bytes: [UInt8] {
        let utf8 = text.utf8.prefix(Self.byteCount)
        return utf8 + [UInt8](repeating: 0, count: Self.byteCount - utf8.count)
    }

    init?(bytes: some Sequence<UInt8>) {
        self.init(text: String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
    }

    /// Whether a message that this describes fits the `receive` (or `send`) that `other` describes.
    func isSameMessage(as other: CallText) -> Bool {
        tag.byteCount == other.tag.byteCount && tag.dtype == other.tag.dtype
            && tag.label == other.tag.label && tag.sequence == other.tag.sequence
    }
}
