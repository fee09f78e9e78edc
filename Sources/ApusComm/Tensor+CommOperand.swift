public import ApusTensor

extension Tensor: CommOperand {
    /// The tensor's own memory. Traps for tensors that are not contiguous: a collective writes in
    /// place, and a hidden copy would lose the result.
    public var commBuffer: CommBuffer {
        precondition(isContiguous, "a collective of \(self): not contiguous; use contiguous()")
        guard elementCount > 0 else { return .empty(dtype) }
        guard let address else {
            preconditionFailure("a collective of \(self): its memory has been freed")
        }
        return CommBuffer(
            address, elementCount: elementCount, dtype: dtype, device: device,
            owner: TensorOwner(self))
    }
}

extension CommBuffer {
    /// A tensor over this memory, which lives as long as the tensor does.
    public func tensor(_ shape: [Int]) -> Tensor {
        precondition(device == .cpu, "a tensor over memory of \(device): only of the host's")
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
