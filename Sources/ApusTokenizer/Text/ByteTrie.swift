/// Finds all entries that begin at a place.
struct ByteTrie: Sendable {
    private struct Edge {
        /// The node that it leaves, and the byte: `node << 8 | byte`; -1 for an empty slot.
        var origin = -1
        var child: Int32 = 0
        /// Of the entry that ends at the child; -1 for none.
        var value: Int32 = -1
    }

    /// Open addressing, at most half full.
    private var edges = [Edge](repeating: Edge(), count: 1 << 6)
    private var nodeCount = 1

    /// Of equal keys the last one's value counts.
    mutating func add(_ key: [UInt8], value: Int32) {
        var node: Int32 = 0
        var slot: Int?
        for byte in key {
            if nodeCount * 2 >= edges.count { grow() }
            let origin = Self.origin(node, byte)
            let index = edges.withUnsafeBufferPointer { Self.slot(of: origin, in: $0) }
            if edges[index].origin < 0 {
                edges[index] = Edge(origin: origin, child: Int32(nodeCount))
                nodeCount += 1
            }
            node = edges[index].child
            slot = index
        }
        if let slot { edges[slot].value = value }
    }

    @inline(__always)
    func forEachPrefix(of text: ByteBuffer, from start: Int, _ body: (Int32, Int) -> Void) {
        edges.withUnsafeBufferPointer { edges in
            var node: Int32 = 0
            var index = start
            while index < text.count {
                let edge = edges[Self.slot(of: Self.origin(node, text[index]), in: edges)]
                guard edge.origin >= 0 else { return }
                node = edge.child
                index += 1
                if edge.value >= 0 { body(edge.value, index) }
            }
        }
    }

    @inline(__always)
    private static func origin(_ node: Int32, _ byte: UInt8) -> Int { Int(node) << 8 | Int(byte) }

    /// Where the edge is, or where it belongs.
    @inline(__always)
    private static func slot(of origin: Int, in edges: UnsafeBufferPointer<Edge>) -> Int {
        let mask = edges.count - 1
        var index = Int(truncatingIfNeeded: ByteHash.mix(UInt64(origin))) & mask
        while edges[index].origin >= 0, edges[index].origin != origin {
            index = (index + 1) & mask
        }
        return index
    }

    private mutating func grow() {
        let old = edges
        edges = [Edge](repeating: Edge(), count: old.count * 2)
        for edge in old where edge.origin >= 0 {
            let index = edges.withUnsafeBufferPointer { Self.slot(of: edge.origin, in: $0) }
            edges[index] = edge
        }
    }
}
