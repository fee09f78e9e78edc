internal import ApusBase
internal import ApusCheckpoint
internal import ApusComm

/// The ranks of a process group, as they save and load checkpoints.
final class GroupPeers: CheckpointPeers {
    private let group: any ProcessGroup

    init(_ group: any ProcessGroup) { self.group = group }

    var rank: Int { group.rank }
    var worldSize: Int { group.worldSize }

    func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        let lengths = try gatherEqual([Int64(bytes.count)], label: "length of a message")
        let longest = Int(lengths.max() ?? 0)
        guard longest > 0 else { return lengths.map { _ in [] } }
        let padded = bytes + repeatElement(0, count: longest - bytes.count)
        let all = try gatherEqual(padded, label: "message about a checkpoint")
        return lengths.enumerated().map { rank, length in
            Array(all[rank * longest..<rank * longest + Int(length)])
        }
    }

    /// Elements of every rank, equally many, end to end.
    private func gatherEqual<Element>(_ own: [Element], label: String) throws -> [Element] {
        let size = own.count * MemoryLayout<Element>.stride
        var input = own
        let total = own.count * worldSize
        let output = UnsafeMutableBufferPointer<Element>.allocate(capacity: total)
        defer { output.deallocate() }
        try input.withUnsafeMutableBytes { raw in
            try group.allGather(
                CommBuffer(raw.baseAddress, elementCount: size, dtype: .uint8),
                into: CommBuffer(
                    output.baseAddress, elementCount: size * worldSize, dtype: .uint8),
                label: label)
        }
        return Array(output)
    }
}
