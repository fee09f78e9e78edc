public import ApusBase

/// How the elements of several ranks become one. The C layers use the same numbers.
public enum ReduceOp: UInt8, Sendable, CaseIterable {
    case sum, average, minimum, maximum
}

/// One communication operation as a value: what every process group executes, checks and records.
public struct Collective {
    /// The C layers use the same numbers.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case allReduce, reduceScatter, allGather, broadcast, reduce, gather, scatter, allToAll
        case barrier, send, receive
    }

    public let kind: Kind
    public let op: ReduceOp
    /// The root of a rooted operation, the partner of `send` and `receive`; otherwise 0.
    public let peer: Int
    public let input: CommBuffer
    public let output: CommBuffer
    /// What the operation moves, such as a unit's name: for diagnosis, and compared between ranks.
    public let label: String?

    init(
        _ kind: Kind, input: CommBuffer, output: CommBuffer, op: ReduceOp = .sum, peer: Int = 0,
        label: String?
    ) {
        self.kind = kind
        self.op = op
        self.peer = peer
        self.input = input
        self.output = output
        self.label = label
    }

    public var dtype: DType { kind.hasOutputOnly ? output.dtype : input.dtype }

    /// Of the output: fp32 for a reduce-scatter that does not round its sums back to 16 bits.
    var resultDtype: DType { kind == .reduceScatter ? output.dtype : dtype }

    /// The elements that one rank contributes or receives, the same on all ranks: the shard of a
    /// gather or scatter, the whole tensor of a reduction or broadcast.
    public func elementsPerRank(worldSize: Int) -> Int {
        switch kind {
        case .allReduce, .broadcast, .reduce, .send, .gather, .allGather: input.elementCount
        case .reduceScatter, .scatter, .receive: output.elementCount
        case .allToAll: input.elementCount / worldSize
        case .barrier: 0
        }
    }

    /// The bytes that the operation is about, as papers count them: the whole tensor, over all
    /// ranks' shards.
    public func payloadBytes(worldSize: Int) -> Int {
        let each = elementsPerRank(worldSize: worldSize) * dtype.byteCount
        return switch kind {
        case .reduceScatter, .allGather, .gather, .scatter, .allToAll: each * worldSize
        case .allReduce, .broadcast, .reduce, .send, .receive, .barrier: each
        }
    }

    func tag(sequence: Int, worldSize: Int) -> OperationTag {
        OperationTag(
            kind: kind, sequence: sequence, label: label,
            byteCount: payloadBytes(worldSize: worldSize), dtype: dtype)
    }
}

extension Collective.Kind: CustomStringConvertible {
    var hasOutputOnly: Bool { self == .scatter || self == .receive }

    public var description: String {
        switch self {
        case .allReduce: "all-reduce"
        case .reduceScatter: "reduce-scatter"
        case .allGather: "all-gather"
        case .broadcast: "broadcast"
        case .reduce: "reduce"
        case .gather: "gather"
        case .scatter: "scatter"
        case .allToAll: "all-to-all"
        case .barrier: "barrier"
        case .send: "send"
        case .receive: "receive"
        }
    }
}

/// An operation's name in messages: `reduce-scatter #312 of model.layers.7 (3.1 MB)`.
public struct OperationTag: Sendable, Hashable, CustomStringConvertible {
    public let kind: Collective.Kind
    /// Counts the collectives of a group from 1; sends and receives count per partner.
    public let sequence: Int
    public let label: String?
    public let byteCount: Int
    public let dtype: DType

    public var description: String {
        var text = "\(kind) #\(sequence)"
        if let label, !label.isEmpty { text += " of \(label)" }
        if kind != .barrier { text += " (\(ByteCount(byteCount).decimal) \(dtype))" }
        return text
    }

    /// With the exact size: `all-reduce #2 of loss (1 x float32)`.
    var exactDescription: String {
        var text = "\(kind) #\(sequence)"
        if let label, !label.isEmpty { text += " of \(label)" }
        if kind != .barrier { text += " (\(byteCount / dtype.byteCount) x \(dtype))" }
        return text
    }
}
