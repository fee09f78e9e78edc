import ApusCheckpoint

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Another rank has ended.
struct PeerGone: Error {}

/// Ranks that talk through named pipes, all of them by way of rank 0.
final class PipePeers: CheckpointPeers {
    let rank: Int
    let worldSize: Int
    /// By rank; on ranks other than 0 only that to rank 0.
    private var incoming: [Int32] = []
    private var outgoing: [Int32] = []

    init(folder: String, rank: Int, worldSize: Int) throws {
        self.rank = rank
        self.worldSize = worldSize
        signal(SIGPIPE, SIG_IGN)
        for other in 1..<max(worldSize, 1) where rank == 0 || rank == other {
            let up = "\(folder)/up-\(other)"
            let down = "\(folder)/down-\(other)"
            if rank == 0 {
                incoming.append(try Self.open(up, O_RDONLY))
                outgoing.append(try Self.open(down, O_WRONLY))
            } else {
                outgoing.append(try Self.open(up, O_WRONLY))
                incoming.append(try Self.open(down, O_RDONLY))
            }
        }
    }

    private static func open(_ path: String, _ flags: Int32) throws -> Int32 {
        #if canImport(Glibc)
            let descriptor = Glibc.open(path, flags)
        #else
            let descriptor = Darwin.open(path, flags)
        #endif
        guard descriptor >= 0 else { throw PeerGone() }
        return descriptor
    }

    func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        guard rank == 0 else {
            try send(bytes, to: outgoing[0])
            return try (0..<worldSize).map { _ in try receive(from: incoming[0]) }
        }
        let all = try [bytes] + incoming.map { try receive(from: $0) }
        for pipe in outgoing { for one in all { try send(one, to: pipe) } }
        return all
    }

    private func send(_ bytes: [UInt8], to pipe: Int32) throws {
        let length = withUnsafeBytes(of: UInt64(bytes.count)) { Array($0) }
        var rest = (length + bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(pipe, $0.baseAddress, $0.count) }
            guard count > 0 else { throw PeerGone() }
            rest = rest.dropFirst(count)
        }
    }

    private func receive(from pipe: Int32) throws -> [UInt8] {
        let length = try take(8, from: pipe).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        return try take(Int(length), from: pipe)
    }

    private func take(_ count: Int, from pipe: Int32) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                read(pipe, $0.baseAddress! + done, count - done)
            }
            guard got > 0 else { throw PeerGone() }
            done += got
        }
        return bytes
    }
}
