import ApusBase
import ApusComm
import ApusTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Speeds of the operations on a tensor of `mebibytes` in GB of the whole tensor per second, best
/// of nine, beside that of all ranks copying as much memory at once.
func printSpeeds(_ group: any ProcessGroup, mebibytes: Int) throws {
    let count = mebibytes << 20 / 4 / group.worldSize * group.worldSize
    let whole = Tensor.ones([count])
    let shard = Tensor.ones([count / group.worldSize])
    let half = Tensor.ones([count * 2], dtype: .bfloat16)
    let target = Tensor.zeros([count])
    let cases: [(name: String, run: () throws -> Void)] = [
        ("copy", { target.copyInPlace(from: whole) }),
        ("all-reduce float32", { try group.allReduce(whole) }),
        ("all-reduce bfloat16", { try group.allReduce(half) }),
        ("reduce-scatter float32", { try group.reduceScatter(whole, into: shard) }),
        ("all-gather float32", { try group.allGather(shard, into: whole) }),
        ("broadcast float32", { try group.broadcast(whole, from: 0) }),
    ]
    for (name, run) in cases {
        var best = Double.infinity
        for _ in 0..<9 {
            try group.barrier()
            let began = seconds()
            try run()
            try group.barrier()
            best = min(best, seconds() - began)
        }
        if group.rank == 0 {
            print("\(group.backend), \(name): \((Double(count) * 4e-9 / best).fixed(2)) GB/s")
        }
    }
}

private func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
