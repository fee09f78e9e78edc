internal import ApusBase
internal import CApusHost

// Sums are made inside the hosts first, ranks in ascending order, then over the hosts in ascending
// order by the rank that keeps them. Between hosts everything is only moved.

extension HierarchicalEngine {
    /// Up to here each rank sends everything: fewer steps.
    private static let smallBytes = 64 << 10

    func reduceScatter(
        _ input: CommBuffer, _ output: CommBuffer, _ op: ReduceOp, _ label: String?
    ) throws(CommError) {
        let count = output.elementCount
        let wide = input.dtype.accumulator
        let sums = scratch.take(.columns, count * hostCount, wide, inside)
        for host in 0..<hostCount {
            try inside.reduceScatter(
                input.slice(host, count * localSize), into: sums.slice(host, count),
                op: op.within, label: label)
        }
        let received = scratch.take(.received, count * hostCount, wide, inside)
        try across.allToAll(sums, into: received, label: label)
        combine(received, into: output, op)
    }

    func allReduce(_ tensor: CommBuffer, _ op: ReduceOp, _ label: String?) throws(CommError) {
        var share = tensor.elementCount / worldSize
        if tensor.byteCount <= Self.smallBytes { share = 0 }
        let even = share * worldSize
        if share > 0 {
            let own = tensor.slice(rank, share)
            try reduceScatter(tensor[0..<even], own, op, label)
            try allGather(own, tensor[0..<even], label)
        }
        let rest = tensor[even..<tensor.elementCount]
        if rest.elementCount > 0 { try allReduceSmall(rest, op, label) }
    }

    private func allReduceSmall(
        _ tensor: CommBuffer, _ op: ReduceOp, _ label: String?
    ) throws(CommError) {
        let count = tensor.elementCount
        let sum = scratch.take(.columns, count, tensor.dtype.accumulator, inside)
        sum.convert(from: tensor)
        try inside.allReduce(sum, op: op.within, label: label)
        let received = scratch.take(.received, count * hostCount, sum.dtype, inside)
        try across.allGather(sum, into: received, label: label)
        combine(received, into: tensor, op)
    }

    /// Only the root's tensor may change.
    func reduce(_ call: Collective) throws(CommError) {
        let copy = scratch.take(.whole, call.output.elementCount, call.dtype, inside)
        copy.convert(from: call.input)
        try allReduce(copy, call.op, call.label)
        if rank == call.peer { call.output.convert(from: copy) }
    }

    /// Reduces the slices of all hosts, which lie end to end in `received`; overwrites the first.
    private func combine(_ received: CommBuffer, into output: CommBuffer, _ op: ReduceOp) {
        let count = output.elementCount
        guard count > 0 else { return }
        let isWide = output.dtype == received.dtype
        let target = isWide ? output : received.slice(0, count)
        let sources = (0..<hostCount).map { host in
            UnsafeRawPointer(received.slice(host, count).address!)
        }
        apus_reduce_sources(
            sources, Int32(hostCount), target.address!, count, .init(received.dtype),
            .init(received.dtype), apus_shm_reduction(UInt32(op.rawValue)), Int32(worldSize))
        if !isWide { output.convert(from: target) }
    }
}

extension DType {
    /// In which sums of this dtype are kept between hosts.
    fileprivate var accumulator: DType { isHalf ? .float32 : self }
}

extension ReduceOp {
    /// What a host computes of its ranks: the division of an average comes last.
    fileprivate var within: ReduceOp { self == .average ? .sum : self }
}
