public import ApusBase
public import ApusComm
internal import ApusTensor

/// What every process group must do, with small whole numbers that all dtypes hold exactly.
public struct Conformance {
    public struct Violation: Error, CustomStringConvertible {
        public let description: String
    }

    let group: any ProcessGroup
    var rank: Int { group.rank }
    var worldSize: Int { group.worldSize }

    public init(_ group: any ProcessGroup) { self.group = group }

    /// None, fewer than ranks, odd, and several chunks with a rest.
    public static let sizes = [0, 1, 5, 257]
    public static let dtypes: [DType] = [
        .float32, .float64, .float16, .bfloat16, .int32, .int64, .uint8,
    ]

    public func checkAll() throws {
        for dtype in Self.dtypes {
            for size in Self.sizes { try check(size, dtype) }
        }
        try check(70_001, .float32)
        try sharedBuffers(70_001, .float32)
        try check(70_001, .bfloat16)
    }

    public func check(_ size: Int, _ dtype: DType) throws {
        try allReduce(size, dtype)
        try reduceScatter(size, dtype)
        try allGather(size, dtype)
        try rooted(size, dtype)
        try allToAll(size, dtype)
        try messages(size, dtype)
        try group.barrier(label: "end of \(size) \(dtype)")
    }

    // MARK: - Reductions

    func allReduce(_ size: Int, _ dtype: DType) throws {
        var ops: [ReduceOp] = [.sum, .minimum, .maximum]
        if dtype.isFloatingPoint { ops.append(.average) }
        for op in ops {
            let tensor = ramp(rank, size, dtype)
            try group.allReduce(tensor, op: op, label: "all-reduce")
            try expect(tensor, reduced(size, op), "all-reduce \(op)", dtype)
            let started = ramp(rank, size, dtype)
            let work = try group.startAllReduce(started, op: op, label: "started")
            try work.wait()
            try expect(started, reduced(size, op), "started all-reduce \(op)", dtype)
        }
    }

    func reduceScatter(_ size: Int, _ dtype: DType) throws {
        let mine = slice(reduced(size * worldSize, .sum), rank, size)
        let input = ramp(rank, size * worldSize, dtype)
        let output = Tensor.zeros([size], dtype: dtype)
        try group.reduceScatter(input, into: output, label: "reduce-scatter")
        try expect(output, mine, "reduce-scatter", dtype)
        try expect(input, values(rank, size * worldSize), "reduce-scatter's input", dtype)
        // In place: the output is this rank's slice of the input.
        let buffer = input.commBuffer
        let own = buffer[(rank * size)..<((rank + 1) * size)]
        let work = try group.startReduceScatter(buffer, into: own, label: "in place")
        try work.wait()
        try expect(own.tensor([size]), mine, "reduce-scatter in place", dtype)
        if dtype == .bfloat16 || dtype == .float16 { try wideSums(size, dtype) }
    }

    /// fp32 sums of a 16-bit input, which the input's dtype could not hold.
    func wideSums(_ size: Int, _ dtype: DType) throws {
        let value = dtype == .bfloat16 ? 257.0 : 2049.0
        let input = Tensor.full([size * worldSize], rank == 0 ? value - 1 : 1, dtype: dtype)
        let output = Tensor.zeros([size])
        try group.reduceScatter(input, into: output, label: "wide sums")
        let sum = worldSize == 1 ? value - 1 : value + Double(worldSize - 2)
        let expected = Tensor.full([size], sum, dtype: .float64)
        try expect(output, expected, "reduce-scatter of \(dtype) into float32", .float32)
    }

    /// Operations on memory that the group allocated, where it does.
    public func sharedBuffers(_ size: Int, _ dtype: DType) throws {
        let elementCount = size * worldSize
        guard let input = group.allocateShared(elementCount: elementCount, dtype: dtype) else {
            return
        }
        input.tensor([elementCount]).copyInPlace(from: ramp(rank, elementCount, dtype))
        let output = Tensor.zeros([size], dtype: dtype)
        for _ in 0..<3 {
            try group.reduceScatter(input, into: output, label: "shared")
            let sum = slice(reduced(elementCount, .sum), rank, size)
            try expect(output, sum, "reduce-scatter of a shared buffer", dtype)
            let unchanged = values(rank, elementCount)
            try expect(input.tensor([elementCount]), unchanged, "a shared input", dtype)
        }
    }

    // MARK: - Copies

    func allGather(_ size: Int, _ dtype: DType) throws {
        let expected = Tensor.concatenate((0..<worldSize).map { values($0, size) })
        let output = Tensor.zeros([size * worldSize], dtype: dtype)
        try group.allGather(ramp(rank, size, dtype), into: output, label: "all-gather")
        try expect(output, expected, "all-gather", dtype)
        // In place: the input is this rank's slice of the output.
        let whole = Tensor.zeros([size * worldSize], dtype: dtype).commBuffer
        let own = whole[(rank * size)..<((rank + 1) * size)]
        own.tensor([size]).copyInPlace(from: ramp(rank, size, dtype))
        let work = try group.startAllGather(own, into: whole, label: "in place")
        try work.wait()
        try expect(whole.tensor([size * worldSize]), expected, "all-gather in place", dtype)
    }

    func rooted(_ size: Int, _ dtype: DType) throws {
        let all = Tensor.concatenate((0..<worldSize).map { values($0, size) })
        for root in Set([0, worldSize - 1]).sorted() {
            let isRoot = rank == root
            let tensor = ramp(rank, size, dtype)
            try group.broadcast(tensor, from: root, label: "broadcast")
            try expect(tensor, values(root, size), "broadcast from \(root)", dtype)

            let reducing = ramp(rank, size, dtype)
            try group.reduce(reducing, to: root, label: "reduce")
            let sum = isRoot ? reduced(size, .sum) : values(rank, size)
            try expect(reducing, sum, "reduce to \(root)", dtype)

            let gathered = isRoot ? Tensor.zeros([size * worldSize], dtype: dtype) : nil
            try group.gather(ramp(rank, size, dtype), into: gathered, to: root, label: "gather")
            if let gathered { try expect(gathered, all, "gather to \(root)", dtype) }

            let scattered = Tensor.zeros([size], dtype: dtype)
            try group.scatter(gathered, into: scattered, from: root, label: "scatter")
            try expect(scattered, values(rank, size), "scatter from \(root)", dtype)
        }
    }

    func allToAll(_ size: Int, _ dtype: DType) throws {
        let output = Tensor.zeros([size * worldSize], dtype: dtype)
        let input = ramp(rank, size * worldSize, dtype)
        try group.allToAll(input, into: output, label: "all-to-all")
        let expected = Tensor.concatenate(
            (0..<worldSize).map { slice(values($0, size * worldSize), rank, size) })
        try expect(output, expected, "all-to-all", dtype)
    }

    /// Around the ring: even ranks send first.
    func messages(_ size: Int, _ dtype: DType) throws {
        guard worldSize > 1 else { return }
        let next = (rank + 1) % worldSize
        let previous = (rank + worldSize - 1) % worldSize
        let received = Tensor.zeros([size], dtype: dtype)
        if rank.isMultiple(of: 2) {
            try group.send(ramp(rank, size, dtype), to: next, label: "ring")
            try group.receive(into: received, from: previous, label: "ring")
        } else {
            try group.receive(into: received, from: previous, label: "ring")
            try group.send(ramp(rank, size, dtype), to: next, label: "ring")
        }
        try expect(received, values(previous, size), "a message", dtype)
    }

    // MARK: - Numbers

    /// (rank + 1) * (1, 2 ... 7, 1, 2 ...): at most 28 on four ranks.
    private func values(_ rank: Int, _ size: Int) -> Tensor {
        let index = Tensor.arange(0, Double(size), dtype: .float64)
        let wrapped = index - (index / 7).to(.int64).to(.float64) * 7
        return (wrapped + 1) * Double(rank + 1)
    }

    private func slice(_ whole: Tensor, _ rank: Int, _ size: Int) -> Tensor {
        whole.slice(0, (rank * size)..<((rank + 1) * size))
    }

    private func ramp(_ rank: Int, _ size: Int, _ dtype: DType) -> Tensor {
        values(rank, size).to(dtype, copy: true)
    }

    private func reduced(_ size: Int, _ op: ReduceOp) -> Tensor {
        let all = Tensor.stack((0..<worldSize).map { values($0, size) })
        return switch op {
        case .sum: all.sum(0)
        case .average: all.sum(0) / Double(worldSize)
        case .minimum: all.min(0)
        case .maximum: all.max(0)
        }
    }

    private func expect(
        _ tensor: Tensor, _ expected: Tensor, _ what: String, _ dtype: DType
    ) throws {
        // An average need not be a whole number: rounded as the dtype does.
        let wrong = tensor.isNotEqual(to: expected.to(dtype)).to(.int64)
        guard wrong.sum().intItem() > 0 else { return }
        let index = wrong.ints().firstIndex(of: 1)!
        throw Violation(
            description: "\(group.backend), rank \(rank) of \(worldSize): \(what), "
                + "\(expected.elementCount) x \(dtype): element \(index) is "
                + "\(tensor.doubles()[index]), not \(expected.doubles()[index])")
    }
}
