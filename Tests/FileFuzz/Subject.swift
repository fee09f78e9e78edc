import ApusBase
import ApusFormats

/// A sound file, and the reader that is to survive its damaged copies.
public struct Subject: Sendable {
    /// Below the folder of the goldens.
    public let name: String
    /// Opens the file and reads everything in it, as a program would.
    public let read: @Sendable (_ path: String) throws -> Void

    public static let all: [Subject] =
        ["all-dtypes.safetensors", "float8.safetensors"].map { safetensors($0) }
        + [Subject(name: "all-types.gguf") { try readAll(GGUFFile(path: $0)) }]
        + ["plain", "snappy", "gzip", "zstd", "lz4", "delta"].map {
            parquet("parquet/\($0).parquet")
        }
        + [
            "weights.bin", "legacy.pt", "deflated.pt", "values-2.pt", "values-5.pt", "plain.pkl",
            "loop.pt", "optimizer.bin", "random_states_0.pkl",
        ].map { pytorch("pytorch/" + $0) }
        + [pytorch("deepspeed/stage1/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt")]
        + [json("sharded/model.safetensors.index.json"), json("parquet/rows.jsonl")]

    private static func safetensors(_ name: String) -> Subject {
        Subject(name: name) { try readAll(SafetensorsFile(path: $0)) }
    }

    private static func parquet(_ name: String) -> Subject {
        Subject(name: name) { path in
            let file = try ParquetFile(path: path)
            for group in file.rowGroups.indices { _ = try file.rows(ofGroup: group) }
        }
    }

    private static func pytorch(_ name: String) -> Subject {
        Subject(name: name) { path in
            let file = try PyTorchFile(path: path)
            var budget = 10_000
            try readTensors(of: file.value, file, &budget)
        }
    }

    /// One value, or with a name in `.jsonl` one a line.
    private static func json(_ name: String) -> Subject {
        Subject(name: name) { path in
            let bytes = try MappedFile(path: path).withBytes { Array($0) }
            guard name.hasSuffix(".jsonl") else {
                _ = try JSON.parse(bytes)
                return
            }
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                _ = try JSON.parse(Array(line))
            }
        }
    }

    private static func readAll(_ source: some TensorSource) throws {
        // An integer is not to be had as a float: that is an answer as well.
        for name in source.names {
            _ = try? source.floats(name)
        }
    }

    /// - Parameter budget: a value that shares its parts may be endless when it is walked
    private static func readTensors(
        of value: PickleValue, _ file: PyTorchFile, _ budget: inout Int
    ) throws {
        budget -= 1
        guard budget > 0 else { return }
        switch value {
        case .tensor(let tensor):
            let count = tensor.elementCount
            guard let dtype = tensor.dtype.dtype else { return }
            let bytes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: count * dtype.byteCount, alignment: 64)
            defer { bytes.deallocate() }
            try file.read(tensor, "", elements: 0..<count, as: dtype, into: bytes)
        case .list(let values), .tuple(let values), .set(let values):
            for value in values { try readTensors(of: value, file, &budget) }
        case .dictionary(let dictionary):
            for member in dictionary.members { try readTensors(of: member.value, file, &budget) }
        case .object(let object):
            if let state = object.state { try readTensors(of: state, file, &budget) }
        default: break
        }
    }
}

/// What became of the damaged copies of one file.
public struct FuzzOutcome: Sendable {
    public var read = 0
    public var refused = 0
}

/// Reads damaged copies of a file. Anything but an error of the kind that users see ends the
/// program, with the copy left at `scratch`.
///
/// - Parameters:
///   - scratch: a path for the copies, best in memory
///   - before: called before each copy is read
public func fuzz(
    _ subject: Subject, goldens: String, count: Int, seed: UInt64, scratch: String,
    before: () -> Void = {}
) throws -> FuzzOutcome {
    let file = try MappedFile(path: FilePaths.join(goldens, subject.name))
    let original = file.withBytes { Array($0) }
    var mutation = Mutation(seed: seed)
    var outcome = FuzzOutcome()
    let copy = try ScratchFile(path: scratch)
    for _ in 0..<count {
        try copy.replace(mutation.mutate(original))
        before()
        do {
            try subject.read(scratch)
            outcome.read += 1
        } catch is any OperationalError {
            outcome.refused += 1
        } catch is JSONSyntaxError {
            outcome.refused += 1
        }
    }
    return outcome
}
