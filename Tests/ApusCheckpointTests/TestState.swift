import ApusBase
import ApusCheckpoint
import ApusFormats
import Foundation
import Testing

/// A small training state that a rank holds in part, as at a ZeRO stage: 0 everything, 1 and 2 all
/// weights and a part of the moments, 3 a part of everything.
final class TestState {
    static let shapes: [(name: String, shape: [Int])] = [
        ("embed.weight", [7, 5]), ("layers.0.norm.weight", [5]), ("layers.0.up.weight", [11, 5]),
        ("head.bias", [1]), ("head.scale", []),
    ]
    static let kinds = ["weight", "firstMoment", "secondMoment"]

    let slices: [StateSlice]

    /// - value: what fills the state; nil leaves it zero
    init(stage: Int, rank: Int, ranks: Int, value: Int? = nil) {
        let total = Self.shapes.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let chunk = (total + ranks - 1) / ranks
        let own = rank * chunk..<min((rank + 1) * chunk, max(total, rank * chunk))
        var slices: [StateSlice] = []
        for kind in Self.kinds {
            let isShared = stage == 0 || (stage < 3 && kind == "weight")
            var start = 0
            for (name, shape) in Self.shapes {
                let count = shape.reduce(1, *)
                let place = start..<start + count
                start += count
                let part = isShared ? place : place.clamped(to: own)
                guard !part.isEmpty else { continue }
                let elements = part.lowerBound - place.lowerBound..<part.upperBound
                    - place.lowerBound
                let dtype: DType = kind == "weight" && name == "head.bias" ? .bfloat16 : .float32
                slices.append(
                    StateSlice(
                        StateKey(name, kind), shape: shape, dtype: dtype, elements: elements,
                        memory: .allocate(
                            byteCount: elements.count * dtype.byteCount, alignment: 64),
                        replica: isShared ? .init(index: rank, count: ranks) : .only))
            }
        }
        self.slices = slices
        for slice in slices {
            slice.memory.initializeMemory(as: UInt8.self, repeating: 0)
            guard let value else { continue }
            let size = slice.dtype.byteCount
            for index in slice.memory.indices {
                let element = slice.elements.lowerBound * size + index
                slice.memory[index] = Self.byte(slice.key, element, value)
            }
        }
    }

    deinit { for slice in slices { slice.memory.deallocate() } }

    private static func byte(_ key: StateKey, _ position: Int, _ value: Int) -> UInt8 {
        var seed = UInt64(position) &* 31 &+ UInt64(value)
        for letter in (key.parameter + key.kind).utf8 { seed = seed &* 131 &+ UInt64(letter) }
        return UInt8(truncatingIfNeeded: SplitMix64.mix(seed))
    }

    /// Whether every byte is what `value` fills in.
    func holds(_ value: Int) -> Bool {
        slices.allSatisfy { slice in
            let start = slice.elements.lowerBound * slice.dtype.byteCount
            return slice.memory.indices.allSatisfy {
                slice.memory[$0] == Self.byte(slice.key, start + $0, value)
            }
        }
    }

    /// All bytes, to see that nothing changed.
    var bytes: [UInt8] { slices.flatMap { Array($0.memory) } }
}

extension CheckpointSaver {
    /// Saves a state filled with `step`, with a document of every rank.
    func save(
        _ state: TestState, step: Int, rank: Int = 0, sparing: Int? = nil
    ) throws {
        let document = CheckpointDocument("random-\(rank).json", "{\"rank\": \(rank)}\n")
        try save(
            CheckpointContent(
                step: step, slices: state.slices, documents: [document],
                sparedStep: sparing))
    }
}

/// Saves steps one after the other into a folder, on so many ranks.
func save(
    _ steps: [Int], into path: String, stage: Int = 3, ranks: Int = 1,
    storage: any CheckpointStorage = DiskStorage(), sparing: Int? = nil,
    _ adjust: @escaping @Sendable (inout CheckpointSaver.Options) -> Void = { _ in }
) throws {
    try World.run(ranks) { peers in
        var options = CheckpointSaver.Options()
        adjust(&options)
        let directory = try CheckpointDirectory(path, peers: peers, storage: storage)
        let saver = CheckpointSaver(directory, peers: peers, options: options)
        for step in steps {
            let state = TestState(stage: stage, rank: peers.rank, ranks: ranks, value: step)
            try saver.save(state, step: step, rank: peers.rank, sparing: sparing)
        }
        try saver.finish()
    }
}

/// Loads a checkpoint on so many ranks and says whether all of it holds what was saved.
func loads(
    _ path: String, value: Int, stage: Int = 3, ranks: Int = 1,
    checks: CheckpointChecks = .hashes
) throws -> Bool {
    try World.run(ranks) { peers in
        let state = TestState(stage: stage, rank: peers.rank, ranks: ranks)
        let checkpoint = try Checkpoint(path: path, checks: checks)
        let report = try checkpoint.load(state.slices, peers: peers)
        #expect(report.isComplete)
        return state.holds(value)
    }.allSatisfy { $0 }
}

/// The text of the error that `body` throws.
func failure(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}
