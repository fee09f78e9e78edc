import ApusCheckpoint
import Foundation
import Testing

/// Ranks as threads. When one throws, the others' next gather throws too, as with a real group.
final class World: @unchecked Sendable {
    struct PeerGone: Error {}

    private let condition = NSCondition()
    private let size: Int
    private var slots: [[UInt8]?]
    private var result: [[UInt8]] = []
    private var round = 0
    private var isBroken = false

    private init(_ size: Int) {
        self.size = size
        slots = Array(repeating: nil, count: size)
    }

    private final class Peer: CheckpointPeers {
        let rank: Int
        let world: World
        var worldSize: Int { world.size }

        init(_ rank: Int, _ world: World) {
            self.rank = rank
            self.world = world
        }

        func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { try world.gather(bytes, rank) }
    }

    private func gather(_ bytes: [UInt8], _ rank: Int) throws -> [[UInt8]] {
        condition.lock()
        defer { condition.unlock() }
        if isBroken { throw PeerGone() }
        slots[rank] = bytes
        let mine = round
        if slots.allSatisfy({ $0 != nil }) {
            result = slots.compactMap { $0 }
            slots = Array(repeating: nil, count: size)
            round += 1
            condition.broadcast()
        }
        while round == mine {
            if isBroken { throw PeerGone() }
            condition.wait()
        }
        return result
    }

    private func breakUp() {
        condition.lock()
        isBroken = true
        condition.broadcast()
        condition.unlock()
    }

    /// Runs `body` as every rank; results by rank.
    static func results<Value>(
        _ size: Int, _ body: @escaping @Sendable (any CheckpointPeers) throws -> Value
    ) -> [Result<Value, any Error>] {
        let world = World(size)
        nonisolated(unsafe) var results = [Result<Value, any Error>?](repeating: nil, count: size)
        let lock = NSLock()
        let group = DispatchGroup()
        for rank in 0..<size {
            group.enter()
            Thread {
                let result = Result { try body(Peer(rank, world)) }
                if case .failure = result { world.breakUp() }
                lock.withLock { results[rank] = result }
                group.leave()
            }.start()
        }
        group.wait()
        return results.map { $0! }
    }

    /// As ``results``, throwing the first error that is a rank's own.
    @discardableResult
    static func run<Value>(
        _ size: Int, _ body: @escaping @Sendable (any CheckpointPeers) throws -> Value
    ) throws -> [Value] {
        let results = results(size, body)
        for case .failure(let error) in results where !(error is PeerGone) { throw error }
        return try results.map { try $0.get() }
    }
}
