internal import ApusBase

extension Tensor: CustomStringConvertible {
    /// `float32[2, 3] [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]`; of long dimensions the first and last
    /// three entries, of more than 4096 elements and of freed ones only type and shape.
    public var description: String {
        guard isDefined else { return "undefined tensor" }
        let head = "\(dtype)\(shape)" + (device == .cpu ? "" : " on \(device)")
        if isFreed { return head + " (freed)" }
        guard elementCount <= 4096 else { return head }
        return "\(head) \(Self.listing(detached()))"
    }

    private static func listing(_ tensor: Tensor) -> String {
        guard tensor.rank > 0 else { return text(tensor) }
        let count = tensor.size(0)
        let shown = count <= 8 ? Array(0..<count) : [0, 1, 2, count - 3, count - 2, count - 1]
        var entries = shown.map { listing(tensor[$0]) }
        if shown.count < count { entries.insert("...", at: 3) }
        return "[\(entries.joined(separator: ", "))]"
    }

    private static func text(_ element: Tensor) -> String {
        switch element.dtype {
        case .bool: element.item() == 0 ? "false" : "true"
        case .float64: "\(element.item())"
        case .float32, .float16, .bfloat16: "\(Float(element.item()))"
        case .int8, .int16, .int32, .int64, .uint8: "\(element.intItem())"
        }
    }
}
