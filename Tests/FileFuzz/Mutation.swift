import ApusBase

/// Damages a file in the ways that parsers stumble over.
public struct Mutation {
    private var random: SplitMix64

    public init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// Numbers at the edges of their types, little-endian.
    private static let edges: [[UInt8]] = [
        [0], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0x80],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0, 0, 0, 0, 0x80],
        [0, 0, 0, 0, 1, 0, 0, 0], [0xFF, 0xFF],
    ]

    /// A copy with one to four changes.
    public mutating func mutate(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            change(&bytes, at: place(in: bytes.count))
        }
        return bytes
    }

    /// Anywhere, but mostly where headers and directories stand: in front and at the end.
    private mutating func place(in count: Int) -> Int {
        let edge = min(count, 1024)
        return switch Int.random(in: 0..<4, using: &random) {
        case 0, 1: Int.random(in: 0..<edge, using: &random)
        case 2: count - 1 - Int.random(in: 0..<edge, using: &random)
        default: Int.random(in: 0..<count, using: &random)
        }
    }

    private mutating func change(_ bytes: inout [UInt8], at position: Int) {
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1: bytes[position] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 3: bytes[position] = bytes[position] &+ (Bool.random(using: &random) ? 1 : 255)
        case 4:
            let edge = Self.edges.randomElement(using: &random)!
            for (at, byte) in zip(position..<bytes.count, edge) { bytes[at] = byte }
        case 5:
            let source = place(in: bytes.count)
            let count = min(Int.random(in: 1...32, using: &random), bytes.count - source)
            bytes.insert(contentsOf: Array(bytes[source..<(source + count)]), at: position)
        case 6:
            let count = min(Int.random(in: 1...32, using: &random), bytes.count - position)
            bytes.removeSubrange(position..<(position + count))
        default:
            // Cuts are rare, since most readers notice them at once.
            guard Int.random(in: 0..<4, using: &random) == 0 else { return }
            bytes.removeSubrange(position...)
        }
    }
}
