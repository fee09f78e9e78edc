internal import ApusBase
internal import ApusTensor

/// The constructors trap on operands that cannot be right on any rank.
extension Collective {
    static func allReduce(_ tensor: CommBuffer, _ op: ReduceOp, _ label: String?) -> Collective {
        checkReduction(.allReduce, tensor, op, label)
        return Collective(.allReduce, input: tensor, output: tensor, op: op, label: label)
    }

    static func reduceScatter(
        _ input: CommBuffer, _ output: CommBuffer, _ op: ReduceOp, _ worldSize: Int,
        _ label: String?
    ) -> Collective {
        checkReduction(.reduceScatter, input, op, label)
        let widens = input.dtype.isHalf && output.dtype == .float32
        checkSlices(
            .reduceScatter, whole: input, slice: output, worldSize, label, mayDiffer: widens)
        return Collective(.reduceScatter, input: input, output: output, op: op, label: label)
    }

    static func allGather(
        _ input: CommBuffer, _ output: CommBuffer, _ worldSize: Int, _ label: String?
    ) -> Collective {
        checkSlices(.allGather, whole: output, slice: input, worldSize, label)
        return Collective(.allGather, input: input, output: output, label: label)
    }

    static func broadcast(
        _ tensor: CommBuffer, _ root: Int, _ worldSize: Int, _ label: String?
    ) -> Collective {
        checkPeer(.broadcast, root, worldSize)
        return Collective(.broadcast, input: tensor, output: tensor, peer: root, label: label)
    }

    static func reduce(
        _ tensor: CommBuffer, _ op: ReduceOp, _ root: Int, _ worldSize: Int, _ label: String?
    ) -> Collective {
        checkReduction(.reduce, tensor, op, label)
        checkPeer(.reduce, root, worldSize)
        return Collective(
            .reduce, input: tensor, output: tensor, op: op, peer: root, label: label)
    }

    static func gather(
        _ input: CommBuffer, _ output: CommBuffer?, _ root: Int, _ group: some ProcessGroup,
        _ label: String?
    ) -> Collective {
        checkPeer(.gather, root, group.worldSize)
        precondition(
            (output != nil) == (group.rank == root),
            "gather: rank \(root), the root, passes an output and the others nil")
        if let output { checkSlices(.gather, whole: output, slice: input, group.worldSize, label) }
        let target = output ?? .empty(input.dtype)
        return Collective(.gather, input: input, output: target, peer: root, label: label)
    }

    static func scatter(
        _ input: CommBuffer?, _ output: CommBuffer, _ root: Int, _ group: some ProcessGroup,
        _ label: String?
    ) -> Collective {
        checkPeer(.scatter, root, group.worldSize)
        precondition(
            (input != nil) == (group.rank == root),
            "scatter: rank \(root), the root, passes an input and the others nil")
        if let input { checkSlices(.scatter, whole: input, slice: output, group.worldSize, label) }
        let source = input ?? .empty(output.dtype)
        return Collective(.scatter, input: source, output: output, peer: root, label: label)
    }

    static func allToAll(
        _ input: CommBuffer, _ output: CommBuffer, _ worldSize: Int, _ label: String?
    ) -> Collective {
        precondition(
            input.dtype == output.dtype && input.elementCount == output.elementCount
                && input.elementCount.isMultiple(of: worldSize),
            "all-to-all: \(shape(input)) into \(shape(output)) on \(worldSize) ranks\(of(label))")
        return Collective(.allToAll, input: input, output: output, label: label)
    }

    static func send(
        _ tensor: CommBuffer, _ peer: Int, _ group: some ProcessGroup, _ label: String?
    ) -> Collective {
        checkPeer(.send, peer, group.worldSize)
        precondition(peer != group.rank, "send: rank \(peer) cannot send to itself")
        return Collective(
            .send, input: tensor, output: .empty(tensor.dtype), peer: peer, label: label)
    }

    static func receive(
        _ tensor: CommBuffer, _ peer: Int, _ group: some ProcessGroup, _ label: String?
    ) -> Collective {
        checkPeer(.receive, peer, group.worldSize)
        precondition(peer != group.rank, "receive: rank \(peer) cannot receive from itself")
        return Collective(
            .receive, input: .empty(tensor.dtype), output: tensor, peer: peer, label: label)
    }

    private static func checkReduction(
        _ kind: Kind, _ tensor: CommBuffer, _ op: ReduceOp, _ label: String?
    ) {
        precondition(
            tensor.dtype != .bool, "\(kind): booleans cannot be reduced; use uint8\(of(label))")
        precondition(
            op != .average || tensor.dtype.isFloatingPoint,
            "\(kind): the average of \(tensor.dtype) is not an integer\(of(label))")
    }

    private static func checkSlices(
        _ kind: Kind, whole: CommBuffer, slice: CommBuffer, _ worldSize: Int, _ label: String?,
        mayDiffer: Bool = false
    ) {
        precondition(
            (whole.dtype == slice.dtype || mayDiffer)
                && whole.elementCount == slice.elementCount * worldSize,
            "\(kind): \(shape(whole)) is not \(worldSize) slices of \(shape(slice))\(of(label))")
    }

    private static func checkPeer(_ kind: Kind, _ peer: Int, _ worldSize: Int) {
        precondition(
            peer >= 0 && peer < worldSize, "\(kind): no rank \(peer) among \(worldSize) ranks")
    }

    private static func shape(_ buffer: CommBuffer) -> String {
        "\(buffer.elementCount) x \(buffer.dtype)"
    }

    private static func of(_ label: String?) -> String { label.map { " (\($0))" } ?? "" }
}

extension Collective {
    /// Traps unless all memory is the host's: what groups of the CPU can reach.
    func requireHostMemory(_ backend: String) {
        precondition(
            input.device == .cpu && output.device == .cpu,
            "\(kind)\(Self.of(label)): \(backend) moves host memory, not \(input.device)'s; "
                + "make a group with makeProcessGroup(on:beside:)")
    }

    /// Traps unless all memory is the device's.
    func requireMemory(of device: Device) {
        precondition(
            [input, output].allSatisfy { $0.address == nil || $0.device == device },
            "\(kind)\(Self.of(label)): NCCL moves memory of \(device), "
                + "not \(input.device)'s into \(output.device)'s")
    }
}
