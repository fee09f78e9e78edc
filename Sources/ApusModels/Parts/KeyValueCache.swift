internal import ApusTensor

/// Keys and values of the tokens so far, per layer, in memory that doubles when it is full.
public final class KeyValueCache {
    /// Tokens cached by every layer.
    public private(set) var length = 0
    public let capacity: Int
    private var keys: [Tensor?]
    private var values: [Tensor?]
    private var pending = 0

    /// - capacity: the most tokens a row can have
    public init(layerCount: Int, capacity: Int) {
        self.capacity = capacity
        keys = Array(repeating: nil, count: layerCount)
        values = Array(repeating: nil, count: layerCount)
    }

    /// Adds one layer's new keys and values `[batch, heads, new, width]`; returns all so far.
    func append(layer: Int, key: Tensor, value: Tensor) -> (key: Tensor, value: Tensor) {
        let new = key.size(2)
        precondition(
            length + new <= capacity, "the cache holds \(capacity) tokens, not \(length + new)")
        pending = new
        return (store(&keys[layer], key, new), store(&values[layer], value, new))
    }

    /// After the last layer of a forward pass.
    func advance() {
        length += pending
        pending = 0
    }

    private func store(_ slot: inout Tensor?, _ new: Tensor, _ count: Int) -> Tensor {
        let memory = memory(slot, for: new, length: length + count)
        slot = memory
        memory.slice(2, length..<length + count).copyInPlace(from: new)
        return memory.slice(2, 0..<length + count)
    }

    /// Memory of at least `wanted` tokens that begins with what the slot holds.
    private func memory(_ slot: Tensor?, for new: Tensor, length wanted: Int) -> Tensor {
        let present = slot?.size(2) ?? 0
        if let slot, wanted <= present { return slot }
        var shape = new.shape
        shape[2] = min(capacity, max(wanted, 2 * present, Self.smallest))
        let memory = Tensor.empty(shape, dtype: new.dtype, device: new.device)
        if let slot, length > 0 {
            memory.slice(2, 0..<length).copyInPlace(from: slot.slice(2, 0..<length))
        }
        return memory
    }

    private static let smallest = 64
}
