internal import ApusBase

// Every operation in two forms: `allReduce` returns when it is done, `startAllReduce` at once with
// a `Work`. Sizes are checked here for this rank (a mistake traps); agreement between ranks is
// checked by the group.

extension ProcessGroup {
    /// Executes an operation while the caller stands still, which a trace shows.
    private func perform(_ collective: Collective) throws(CommError) {
        guard worldSize > 1 else { return try run(collective) }
        let name = collective.label ?? "\(collective.kind)"
        try Trace.shared.span(name, .wait) { () throws(CommError) in try run(collective) }
    }

    /// Replaces `tensor` on every rank by the reduction over all ranks.
    ///
    /// bf16 and fp16 are added in fp32 and rounded once; ranks are added in ascending order, so
    /// that all ranks get the same bits.
    public func allReduce(
        _ tensor: some CommOperand, op: ReduceOp = .sum, label: String? = nil
    ) throws(CommError) {
        try perform(.allReduce(tensor.commBuffer, op, label))
    }

    public func startAllReduce(
        _ tensor: some CommOperand, op: ReduceOp = .sum, label: String? = nil
    ) throws(CommError) -> Work {
        try start(.allReduce(tensor.commBuffer, op, label))
    }

    /// Reduces `input` (worldSize x n elements) over all ranks; rank r receives slice r in `output`
    /// (n).
    ///
    /// `output` may be slice `rank` of `input` itself. With a bf16 or fp16 `input` it may be fp32:
    /// then it receives the sums as they were accumulated, without rounding.
    public func reduceScatter(
        _ input: some CommOperand, into output: some CommOperand, op: ReduceOp = .sum,
        label: String? = nil
    ) throws(CommError) {
        try perform(.reduceScatter(input.commBuffer, output.commBuffer, op, worldSize, label))
    }

    public func startReduceScatter(
        _ input: some CommOperand, into output: some CommOperand, op: ReduceOp = .sum,
        label: String? = nil
    ) throws(CommError) -> Work {
        try start(.reduceScatter(input.commBuffer, output.commBuffer, op, worldSize, label))
    }

    /// Lays the `input` (n elements) of all ranks end to end in `output` (worldSize x n).
    ///
    /// `input` may be slice `rank` of `output` itself; then nothing is copied for this rank.
    public func allGather(
        _ input: some CommOperand, into output: some CommOperand, label: String? = nil
    ) throws(CommError) {
        try perform(.allGather(input.commBuffer, output.commBuffer, worldSize, label))
    }

    public func startAllGather(
        _ input: some CommOperand, into output: some CommOperand, label: String? = nil
    ) throws(CommError) -> Work {
        try start(.allGather(input.commBuffer, output.commBuffer, worldSize, label))
    }

    /// Replaces `tensor` on every rank by the one of `root`.
    public func broadcast(
        _ tensor: some CommOperand, from root: Int, label: String? = nil
    ) throws(CommError) {
        try perform(.broadcast(tensor.commBuffer, root, worldSize, label))
    }

    public func startBroadcast(
        _ tensor: some CommOperand, from root: Int, label: String? = nil
    ) throws(CommError) -> Work {
        try start(.broadcast(tensor.commBuffer, root, worldSize, label))
    }

    /// Replaces `tensor` on `root` by the reduction over all ranks; elsewhere it is unchanged.
    public func reduce(
        _ tensor: some CommOperand, to root: Int, op: ReduceOp = .sum, label: String? = nil
    ) throws(CommError) {
        try perform(.reduce(tensor.commBuffer, op, root, worldSize, label))
    }

    /// Lays the `input` of all ranks end to end in `output` on `root`; others pass nil.
    public func gather(
        _ input: some CommOperand, into output: (any CommOperand)?, to root: Int,
        label: String? = nil
    ) throws(CommError) {
        try perform(.gather(input.commBuffer, output?.commBuffer, root, self, label))
    }

    /// Sends slice r of `input` on `root` to rank r's `output`; others pass nil.
    public func scatter(
        _ input: (any CommOperand)?, into output: some CommOperand, from root: Int,
        label: String? = nil
    ) throws(CommError) {
        try perform(.scatter(input?.commBuffer, output.commBuffer, root, self, label))
    }

    /// Sends slice r of `input` to rank r, where it becomes slice `rank` of `output`.
    public func allToAll(
        _ input: some CommOperand, into output: some CommOperand, label: String? = nil
    ) throws(CommError) {
        try perform(.allToAll(input.commBuffer, output.commBuffer, worldSize, label))
    }

    public func startAllToAll(
        _ input: some CommOperand, into output: some CommOperand, label: String? = nil
    ) throws(CommError) -> Work {
        try start(.allToAll(input.commBuffer, output.commBuffer, worldSize, label))
    }

    /// Sends `tensor` to `peer`, which calls `receive` with the same size and dtype.
    public func send(
        _ tensor: some CommOperand, to peer: Int, label: String? = nil
    ) throws(CommError) {
        try perform(.send(tensor.commBuffer, peer, self, label))
    }

    public func startSend(
        _ tensor: some CommOperand, to peer: Int, label: String? = nil
    ) throws(CommError) -> Work {
        try start(.send(tensor.commBuffer, peer, self, label))
    }

    public func receive(
        into tensor: some CommOperand, from peer: Int, label: String? = nil
    ) throws(CommError) {
        try perform(.receive(tensor.commBuffer, peer, self, label))
    }

    public func startReceive(
        into tensor: some CommOperand, from peer: Int, label: String? = nil
    ) throws(CommError) -> Work {
        try start(.receive(tensor.commBuffer, peer, self, label))
    }

    /// Returns when every rank has called it.
    public func barrier(label: String? = nil) throws(CommError) {
        try perform(Collective(.barrier, input: .empty(), output: .empty(), label: label))
    }
}
