internal import ApusBase
internal import ApusComm
internal import ApusOptim
internal import ApusTensor

// Flat buffers are one-dimensional contiguous tensors. What the engine does with their elements
// goes through here: kernels in one pass on the host, libtorch's operations on a device.
extension Tensor {
    /// The elements `range` of a flat buffer, sharing its memory.
    func part(_ range: Range<Int>) -> Tensor { slice(0, range) }

    var isOnHost: Bool { device == .cpu }

    /// Overwrites the elements with those of `source`, rounded to this dtype.
    func assign(_ source: Tensor) {
        if isOnHost, let from = source.floatMemory, let to = floatMemory {
            to.copy(from: from)
        } else {
            withoutGradient { copyInPlace(from: source) }
        }
    }

    /// Adds the elements of `source`; in fp32 when this buffer is fp32.
    func add(_ source: Tensor) {
        if isOnHost, dtype == .float32, let from = source.floatMemory, let to = floatMemory {
            to.accumulate(from)
        } else {
            withoutGradient { addInPlace(source) }
        }
    }

    func clear() {
        guard elementCount > 0 else { return }
        withoutGradient { zeroInPlace() }
    }

    /// In double precision: finite if and only if every element is.
    func sumOfSquares() -> Double {
        guard elementCount > 0 else { return 0 }
        if isOnHost, let memory = floatMemory { return memory.sumOfSquares() }
        return withoutGradient { to(.float64).square().sum().item() }
    }

    /// The elements of a contiguous host tensor; nil for another dtype than fp32, bf16 and fp16,
    /// or on a device.
    var floatMemory: FloatMemory? {
        guard [.float32, .bfloat16, .float16].contains(dtype), isContiguous,
            let start = hostMemory?.baseAddress
        else { return nil }
        return FloatMemory(start, dtype, count: elementCount)
    }

    /// As ``floatMemory``, for buffers that the engine made itself.
    var flatMemory: FloatMemory {
        guard let memory = floatMemory else {
            preconditionFailure("the engine's host buffers are contiguous floats, not \(self)")
        }
        return memory
    }
}

extension FloatMemory {
    var floats: UnsafeMutableBufferPointer<Float> {
        precondition(dtype == .float32, "floats: the memory is \(dtype)")
        return UnsafeMutableBufferPointer(
            start: start.assumingMemoryBound(to: Float.self), count: count)
    }
}

extension ProcessGroup {
    /// A flat buffer that this group's ranks can read in place, where that exists.
    func sharedTensor(_ elementCount: Int, _ dtype: DType, _ device: Device) -> Tensor {
        if device == .cpu, worldSize > 1,
            let buffer = allocateShared(elementCount: elementCount, dtype: dtype)
        {
            return buffer.tensor([elementCount])
        }
        return .empty([elementCount], dtype: dtype, device: device)
    }
}
