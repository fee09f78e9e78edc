public import ApusBase
internal import ApusTensor

/// How fast the ranks of a group move large tensors, beside what their memory allows: the speed
/// that all ranks reach when each copies, at the same time, out of shared into private memory.
///
/// Every operation runs as the engine uses it: inputs in memory of `allocateShared` or in private
/// memory, outputs in private memory.
public struct CommBenchmark {
    public struct Options: Sendable {
        /// Bytes of the whole tensors, over all ranks' shards.
        public var sizes = [64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 128 << 20]
        public var repetitions = 9

        public init() {}
    }

    private let options: Options
    private let group: any ProcessGroup

    public init(_ options: Options = Options(), group: any ProcessGroup) {
        self.options = options
        self.group = group
    }

    /// Called by all ranks; all get the same results, ordered by size.
    public func run() throws(CommError) -> [CommMeasurement] {
        var results: [CommMeasurement] = []
        for size in options.sizes {
            for dtype in [DType.float32, .bfloat16] { results += try measure(size, dtype) }
        }
        return results
    }

    private func measure(_ size: Int, _ dtype: DType) throws(CommError) -> [CommMeasurement] {
        let buffers = CommBenchmarkBuffers(size, dtype, group)
        let copy = try time(size) { buffers.copy() }
        var results: [CommMeasurement] = []
        for benchmark in buffers.cases(group) {
            // Pages are touched and peers' memory is mapped for the first time.
            try benchmark.run()
            let time = try time(size, benchmark.run)
            results.append(
                CommMeasurement(
                    kind: benchmark.kind, dtype: dtype, inputIsShared: benchmark.inputIsShared,
                    resultDtype: benchmark.result ?? dtype, byteCount: buffers.byteCount,
                    worldSize: group.worldSize, time: time, copyTime: copy))
        }
        return results
    }

    /// The shortest of several times of one call, each the longest over all ranks: other work on
    /// the machine can only lengthen them.
    private func time(
        _ size: Int, _ body: () throws(CommError) -> Void
    ) throws(CommError) -> CommMeasurement.Time {
        let calls = max(1, (1 << 20) / size)
        var best = CommMeasurement.Time(wall: .infinity, processor: .infinity)
        for _ in 0..<options.repetitions {
            try group.barrier()
            let wall = monotonicSeconds()
            let processor = processorSeconds()
            for _ in 0..<calls { try body() }
            let times = Tensor([
                Float((monotonicSeconds() - wall) / Double(calls)),
                Float((processorSeconds() - processor) / Double(calls)),
            ])
            try group.allReduce(times, op: .maximum)
            let slowest = times.doubles()
            best.wall = min(best.wall, slowest[0])
            best.processor = min(best.processor, slowest[1])
        }
        return best
    }
}

/// One line of the benchmark: an operation on a tensor, beside the copy of as many bytes.
public struct CommMeasurement: Sendable, Hashable {
    /// Seconds of one call on the slowest rank.
    public struct Time: Sendable, Hashable {
        public var wall: Double
        /// Of the calling thread, which executes the operation: untouched by other programs' use
        /// of the cores, but not of the memory.
        public var processor: Double
    }

    public let kind: Collective.Kind
    public let dtype: DType
    /// Whether the input lies where the peers read it in place.
    public let inputIsShared: Bool
    public let resultDtype: DType
    /// Of the whole tensor.
    public let byteCount: Int
    public let worldSize: Int
    public let time: Time
    /// Of all ranks copying `byteCount` at once.
    public let copyTime: Time

    /// GB of the whole tensor per second.
    public var gigabytesPerSecond: Double { Double(byteCount) * 1e-9 / time.wall }
    /// The same for the copy.
    public var copyGigabytesPerSecond: Double { Double(byteCount) * 1e-9 / copyTime.wall }
    /// The bytes that every rank has to receive per second, as NCCL's tests count them: comparable
    /// between operations and numbers of ranks.
    public var busGigabytesPerSecond: Double {
        let share = Double(worldSize - 1) / Double(worldSize)
        return switch kind {
        case .allReduce: gigabytesPerSecond * 2 * share
        case .allGather, .reduceScatter: gigabytesPerSecond * share
        default: gigabytesPerSecond
        }
    }
    /// Of the copy's speed, by time on the wall.
    public var share: Double { copyTime.wall / time.wall }
    /// Of the copy's speed, by processor time.
    public var processorShare: Double { copyTime.processor / time.processor }
}

extension CommMeasurement {
    /// `reduce-scatter shared bfloat16 into float32`.
    public var name: String {
        let memory = inputIsShared ? "shared" : "private"
        let result = resultDtype == dtype ? "" : " into \(resultDtype)"
        return "\(kind) \(memory) \(dtype)\(result)"
    }

    public var json: JSON {
        [
            "operation": .string(kind.description), "dtype": .string(dtype.rawValue),
            "result_dtype": .string(resultDtype.rawValue),
            "input": .string(inputIsShared ? "shared" : "private"),
            "bytes": .integer(byteCount), "ranks": .integer(worldSize),
            "seconds": .number(time.wall), "processor_seconds": .number(time.processor),
            "gb_per_s": .number(gigabytesPerSecond), "bus_gb_per_s": .number(busGigabytesPerSecond),
            "copy_gb_per_s": .number(copyGigabytesPerSecond), "share_of_copy": .number(share),
            "processor_share_of_copy": .number(processorShare),
        ]
    }

    /// Lines of a table, with its head.
    public static func table(_ measurements: [CommMeasurement]) -> String {
        let head = [
            "operation", "size", "us", "GB/s", "bus GB/s", "copy GB/s", "share", "cpu share",
        ]
        let rows = measurements.map { one in
            [
                one.name, ByteCount(one.byteCount).binary, (one.time.wall * 1e6).fixed(0),
                one.gigabytesPerSecond.fixed(2), one.busGigabytesPerSecond.fixed(2),
                one.copyGigabytesPerSecond.fixed(2), one.share.fixed(2),
                one.processorShare.fixed(2),
            ]
        }
        return TextTable.text([head] + rows)
    }
}
