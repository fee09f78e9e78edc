internal import ApusBase
internal import ApusTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The memory of the benchmark's operations on one size and dtype.
struct CommBenchmarkBuffers {
    struct Case {
        let kind: Collective.Kind
        let inputIsShared: Bool
        var result: DType?
        let run: () throws(CommError) -> Void
    }

    let byteCount: Int
    private let dtype: DType
    private let own: Range<Int>
    /// The whole tensor: private, and private again, and where peers read it (or private too).
    private let whole: CommBuffer
    private let other: CommBuffer
    private let shared: CommBuffer
    private let sharedShard: CommBuffer
    private let wideShard: CommBuffer

    /// - Parameter size: bytes of the whole tensor, rounded down to equal shards
    init(_ size: Int, _ dtype: DType, _ group: any ProcessGroup) {
        let shard = size / dtype.byteCount / group.worldSize
        let count = shard * group.worldSize
        self.dtype = dtype
        byteCount = count * dtype.byteCount
        own = (group.rank * shard)..<((group.rank + 1) * shard)
        whole = Tensor.zeros([count], dtype: dtype).commBuffer
        other = Tensor.zeros([count], dtype: dtype).commBuffer
        wideShard = Tensor.zeros([shard]).commBuffer
        shared = Self.shared(count, dtype, group)
        sharedShard = Self.shared(shard, dtype, group)
    }

    private static func shared(
        _ count: Int, _ dtype: DType, _ group: any ProcessGroup
    ) -> CommBuffer {
        let buffer =
            group.allocateShared(elementCount: count, dtype: dtype)
            ?? Tensor.empty([count], dtype: dtype).commBuffer
        buffer.tensor([count]).fillInPlace(0)
        return buffer
    }

    /// The reference.
    func copy() {
        guard let from = shared.address, let to = whole.address else { return }
        memcpy(to, from, byteCount)
    }

    func cases(_ group: any ProcessGroup) -> [Case] {
        var cases = [
            Case(kind: .allGather, inputIsShared: true) { () throws(CommError) in
                try group.allGather(sharedShard, into: whole)
            },
            // In place: the input is this rank's slice of the output.
            Case(kind: .allGather, inputIsShared: false) { () throws(CommError) in
                try group.allGather(whole[own], into: whole)
            },
            Case(kind: .reduceScatter, inputIsShared: true) { () throws(CommError) in
                try group.reduceScatter(shared, into: whole[own])
            },
            Case(kind: .reduceScatter, inputIsShared: false) { () throws(CommError) in
                try group.reduceScatter(whole, into: other[own])
            },
            Case(kind: .allReduce, inputIsShared: false) { () throws(CommError) in
                try group.allReduce(whole)
            },
            Case(kind: .broadcast, inputIsShared: false) { () throws(CommError) in
                try group.broadcast(whole, from: 0)
            },
        ]
        if dtype == .bfloat16 {
            cases.append(
                Case(kind: .reduceScatter, inputIsShared: true, result: .float32) {
                    () throws(CommError) in try group.reduceScatter(shared, into: wideShard)
                })
        }
        return cases
    }
}
