// One rank of a small job, started by the tests: behaves or misbehaves as its arguments say.
//
//   apus-comm-probe conform
//   apus-comm-probe bits              prints a digest of sums of uneven numbers
//   apus-comm-probe device            checks NCCL, each rank on its own GPU
//   apus-comm-probe order             checks in which order two hosts of two ranks sum
//   apus-comm-probe <fault> RANK      fault: kill, skip, size, fail, leave
//   apus-comm-probe late RANK SECONDS
//
// Exits with 0 when all went well; with 1 and the error on standard error otherwise.

import ApusBase
import ApusComm
import ApusTensor
import CommConformance

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct OutOfMemory: Error, CustomStringConvertible {
    var description: String { "out of memory at step 41" }
}

/// Three operations, the second of which goes wrong on one rank.
func misbehave(_ fault: String, on culprit: Int, in group: any ProcessGroup) throws {
    let tensor = Tensor.ones([1000])
    try group.allReduce(tensor, label: "first")
    if group.rank == culprit {
        switch fault {
        case "kill": kill(getpid(), SIGKILL)
        case "skip": try group.barrier(label: "third")
        case "late": sleep(UInt32(CommandLine.arguments[3])!)
        case "size": try group.allReduce(Tensor.ones([999]), label: "second")
        case "fail": throw OutOfMemory()
        case "leave": return
        default: preconditionFailure("no fault \(fault)")
        }
    }
    let work = try group.startAllReduce(tensor, label: "second")
    try work.wait()
    try group.barrier(label: "third")
}

/// The same numbers on every run; their sums round.
func digestOfSums(_ group: any ProcessGroup) throws -> [Int] {
    try [DType.float32, .float16, .bfloat16, .float64].map { dtype in
        let index = Tensor.arange(0, 10_008, dtype: .float64)
        let uneven = (index * (1.1 + Double(group.rank))).sin().to(dtype)
        let shard = Tensor.zeros([10_008 / group.worldSize], dtype: dtype)
        try group.reduceScatter(uneven, into: shard)
        try group.allReduce(uneven)
        let bits = Tensor.concatenate([uneven, shard]).doubles().map(\.bitPattern)
        return Int(truncatingIfNeeded: bits.reduce(0) { SplitMix64.mix($0 ^ $1) })
    }
}

/// Collectives of GPU memory, with whole numbers that all dtypes hold exactly.
func checkDevice(_ host: any ProcessGroup) throws {
    let group = try WorldEnvironment.current().makeProcessGroup(
        on: .cuda(host.rank), beside: host)
    let size = 70_001
    for dtype in [DType.float32, .bfloat16, .int64] {
        func filled(_ count: Int, _ value: Int) -> Tensor {
            Tensor.full([count], Double(value), dtype: dtype, device: group.device)
        }
        func expect(_ tensor: Tensor, _ values: [Int], _ what: String) throws {
            let expected = values.flatMap { [Double](repeating: Double($0), count: size) }
            guard tensor.to(device: .cpu).doubles() != expected else { return }
            throw WrongNumbers(what: "\(what) of \(dtype)")
        }
        let ranks = Array(0..<group.worldSize)
        let sum = ranks.map { $0 + 1 }.reduce(0, +)
        let whole = filled(size * group.worldSize, group.rank + 1)
        let shard = filled(size, 0)
        try group.reduceScatter(whole, into: shard)
        try expect(shard, [sum], "reduce-scatter")
        let own = filled(size, group.rank)
        try group.allGather(own, into: whole)
        try expect(whole, ranks, "all-gather")
        try group.allReduce(own)
        try expect(own, [ranks.reduce(0, +)], "all-reduce")
        let last = filled(size, group.rank)
        let work = try group.startBroadcast(last, from: group.worldSize - 1)
        try work.wait()
        try expect(last, [group.worldSize - 1], "broadcast")
    }
    try group.barrier(label: "end")
    group.leave(nil)
}

struct WrongNumbers: Error {
    let what: String
}

struct OtherOrder: Error {
    let size: Int
    let dtype: DType
}

/// On two hosts of two ranks: (0 + 1) + (2 + 3) in fp32, whatever the sizes.
func checkOrderOfSums(_ group: any ProcessGroup) throws {
    for dtype in [DType.float32, .bfloat16] {
        for size in [1000, 100_004] {
            let index = Tensor.arange(0, Double(size), dtype: .float64)
            let parts = (0..<4).map { (index * (1.1 + Double($0))).sin().to(dtype) }
            let wide = parts.map { $0.to(.float32) }
            let sum = (wide[0] + wide[1]) + (wide[2] + wide[3])
            let whole = parts[group.rank].to(dtype, copy: true)
            let shard = Tensor.zeros([size / 4])
            try group.reduceScatter(whole, into: shard, label: "order")
            try group.allReduce(whole, label: "order")
            let own = sum.slice(0, (group.rank * size / 4)..<((group.rank + 1) * size / 4))
            guard whole.doubles() == sum.to(dtype).doubles(), shard.doubles() == own.doubles()
            else { throw OtherOrder(size: size, dtype: dtype) }
        }
    }
}

func run(_ group: any ProcessGroup) throws {
    let arguments = CommandLine.arguments
    if arguments.last == "order" { return try checkOrderOfSums(group) }
    if arguments.last == "device" { return try checkDevice(group) }
    if arguments.last == "bits" {
        print(try digestOfSums(group))
        return
    }
    if arguments.count >= 3, let culprit = Int(arguments[2]) {
        try misbehave(arguments[1], on: culprit, in: group)
    } else {
        try Conformance(group).checkAll()
        let evenOrOdd = (0..<group.worldSize).filter { $0 % 2 == group.rank % 2 }
        let half = try group.subgroup(evenOrOdd, name: "every second from \(group.rank % 2)")
        try Conformance(half).check(257, .float32)
        half.leave(nil)
    }
    print("rank \(group.rank): ok, \(group.backend)")
}

func fail(_ error: any Error) -> Never {
    let text = Array("\(error)\n".utf8)
    write(STDERR_FILENO, text, text.count)
    exit(1)
}

do {
    let group = try WorldEnvironment.current().makeProcessGroup()
    do {
        try run(group)
        group.leave(nil)
    } catch {
        group.leave("\(error)")
        fail(error)
    }
} catch {
    fail(error)
}
