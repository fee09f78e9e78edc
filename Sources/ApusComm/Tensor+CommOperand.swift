public import ApusTensor

extension Tensor: CommOperand {
    /// The tensor's own memory. Traps for tensors that are not contiguous or not on the host: a
    /// collective writes in place, and a hidden copy would lose the result.
    public var commBuffer: CommBuffer {
        precondition(isContiguous, "a collective of \(self): not contiguous; use contiguous()")
        guard elementCount > 0 else { return .empty(dtype) }
        guard let memory = hostMemory?.baseAddress else {
            preconditionFailure("a collective of \(self): not on the host")
        }
        return CommBuffer(
            memory, elementCount: elementCount, dtype: dtype, owner: TensorOwner(self))
    }
}

extension CommBuffer {
    /// A tensor over this memory, which lives as long as the tensor does.
    public func tensor(_ shape: [Int]) -> Tensor {
        precondition(
            shape.reduce(1, *) == elementCount,
            "a tensor of \(shape) over \(elementCount) elements")
        guard let address else { return Tensor.empty(shape, dtype: dtype) }
        return Tensor(memory: address, shape: shape, dtype: dtype, owner: owner)
    }
}

/// A class around a tensor, to be held as a buffer's owner.
private final class TensorOwner {
    private let tensor: Tensor
    init(_ tensor: Tensor) { self.tensor = tensor }
}
