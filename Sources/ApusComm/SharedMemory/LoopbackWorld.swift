internal import ApusBase
internal import CApusHost
internal import Synchronization

/// Ranks as threads of one process, over the same engine as processes: for tests.
public enum LoopbackWorld {
    public struct Options: Sendable {
        /// How long a rank waits for another.
        public var timeoutSeconds = 20.0
        /// True copies through staging buffers, as between processes; false reads inputs in place.
        public var staged = true

        public init(timeoutSeconds: Double = 20, staged: Bool = true) {
            self.timeoutSeconds = timeoutSeconds
            self.staged = staged
        }
    }

    /// Runs `body` as every rank of a world and returns the results by rank.
    ///
    /// - Throws: what the first rank to fail threw; its peers end with an error that quotes it.
    public static func run<Result: Sendable>(
        _ worldSize: Int, options: Options = Options(),
        _ body: @escaping @Sendable (any ProcessGroup) throws -> Result
    ) throws -> [Result] {
        let outcomes = outcomes(worldSize, options, body)
        if case .failure(let first)? = outcomes.min(by: { $0.order < $1.order })?.result {
            throw first
        }
        return try outcomes.map { try $0.result.get() }
    }

    /// As `run`, with every rank's own result or error: for tests of failures.
    public static func results<Result: Sendable>(
        _ worldSize: Int, options: Options = Options(),
        _ body: @escaping @Sendable (any ProcessGroup) throws -> Result
    ) -> [Swift.Result<Result, any Error>] {
        outcomes(worldSize, options, body).map(\.result)
    }

    private struct Outcome<Result: Sendable>: Sendable {
        let result: Swift.Result<Result, any Error>
        /// Failures in the order in which they happened; successes after all of them.
        let order: Int
    }

    private static func outcomes<Result: Sendable>(
        _ worldSize: Int, _ options: Options,
        _ body: @escaping @Sendable (any ProcessGroup) throws -> Result
    ) -> [Outcome<Result>] {
        let registry = LoopbackRegistry(options)
        let collected = Mutex<[Int: Outcome<Result>]>([:])
        let failures = Mutex(0)
        onThreads(worldSize) { rank in
            let outcome: Outcome<Result>
            do {
                let group = try registry.join(
                    "world", rank: rank, globalRanks: Array(0..<worldSize))
                do {
                    outcome = Outcome(result: .success(try body(group)), order: .max)
                    group.leave(nil)
                } catch {
                    outcome = Outcome(result: .failure(error), order: failures.next())
                    group.leave("\(error)")
                }
            } catch {
                outcome = Outcome(result: .failure(error), order: failures.next())
            }
            collected.withLock { $0[rank] = outcome }
        }
        return collected.withLock { all in (0..<worldSize).map { all[$0]! } }
    }
}

extension Mutex<Int> {
    fileprivate borrowing func next() -> Int {
        withLock { count in
            count += 1
            return count
        }
    }
}

/// Hands every thread its part of the groups that they form, by name.
///
/// `@unchecked Sendable`: the handles are created and taken under the lock, each by one thread.
final class LoopbackRegistry: @unchecked Sendable {
    private let options: LoopbackWorld.Options
    private let waiting = Mutex<[String: [Int: UInt]]>([:])

    init(_ options: LoopbackWorld.Options) { self.options = options }

    /// The first rank to come makes the groups of all; each takes its own.
    func join(
        _ name: String, rank: Int, globalRanks: [Int]
    ) throws(CommError) -> SharedMemoryProcessGroup {
        let key = "\(name) \(globalRanks)"
        let address: UInt? = waiting.withLock { waiting in
            if waiting[key] == nil { waiting[key] = make(globalRanks.count) }
            let mine = waiting[key]?.removeValue(forKey: rank)
            if waiting[key]?.isEmpty ?? false { waiting[key] = nil }
            return mine
        }
        guard let address, let pointer = OpaquePointer(bitPattern: address) else {
            throw CommError(
                .system, "there is no memory for a loopback world of \(globalRanks.count) ranks")
        }
        return SharedMemoryProcessGroup(
            SharedMemoryHandle(pointer), rank: rank, globalRanks: globalRanks,
            timeoutSeconds: options.timeoutSeconds, meeting: .threads(self))
    }

    private func make(_ worldSize: Int) -> [Int: UInt]? {
        var groups = [OpaquePointer?](repeating: nil, count: worldSize)
        let status = apus_shm_make_local(
            Int32(worldSize), options.timeoutSeconds, options.staged, &groups)
        guard status == APUS_SHM_OK else { return nil }
        let addresses = groups.map { UInt(bitPattern: $0) }
        return Dictionary(uniqueKeysWithValues: zip(0..<worldSize, addresses))
    }
}

/// Runs `body` on `count` threads of its own and waits for them.
private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { index in
        SystemThread("rank \(index) of a loopback world") { body(index) }
    }
    for thread in threads { thread.join() }
}
