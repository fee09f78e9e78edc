internal import ApusTensor

/// Keys and values of the tokens so far, per layer, in memory that is allocated once.
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
        var shape = new.shape
        shape[2] = capacity
        let memory = slot ?? .empty(shape, dtype: new.dtype, device: new.device)
        slot = memory
        memory.slice(2, length..<length + count).copyInPlace(from: new)
        return memory.slice(2, 0..<length + count)
    }
}
