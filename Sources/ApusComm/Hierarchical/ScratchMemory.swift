internal import ApusBase
internal import ApusTensor
internal import CApusHost

/// Buffers that live as long as a group and grow as needed: a steady state touches no fresh pages.
struct ScratchMemory {
    enum Slot { case columns, received, whole }

    private var buffers: [Slot: CommBuffer] = [:]

    /// `count` elements whose content is undefined, in memory that the group's ranks read in place
    /// where there is such. Ends the use of what was taken from the slot before.
    mutating func take(
        _ slot: Slot, _ count: Int, _ dtype: DType, _ group: any ProcessGroup
    ) -> CommBuffer {
        let byteCount = count * dtype.byteCount
        if byteCount > buffers[slot]?.byteCount ?? -1 {
            buffers[slot] = nil
            buffers[slot] =
                group.allocateShared(elementCount: byteCount, dtype: .uint8)
                ?? Tensor.empty([byteCount], dtype: .uint8).commBuffer
        }
        let buffer = buffers[slot]!
        return CommBuffer(
            buffer.address, elementCount: count, dtype: dtype, owner: buffer.owner)
    }
}

extension CommBuffer {
    /// Slice `index` of slices of `count` elements.
    func slice(_ index: Int, _ count: Int) -> CommBuffer {
        self[(index * count)..<((index + 1) * count)]
    }

    func write(_ bytes: [UInt8]) {
        precondition(bytes.count == byteCount, "CommBuffer: \(bytes.count) bytes for \(byteCount)")
        address?.copyMemory(from: bytes, byteCount: bytes.count)
    }

    var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: address, count: byteCount)) }

    /// The elements of `source`, rounded where this dtype is narrower: between fp32 and 16 bits.
    func convert(from source: CommBuffer) {
        guard let address, let from = source.address, from != address else { return }
        guard dtype != source.dtype else {
            return address.copyMemory(from: from, byteCount: byteCount)
        }
        apus_cast(
            apus_mutable_floats(data: address, format: dtype.floatFormat),
            apus_floats(data: from, format: source.dtype.floatFormat), elementCount)
    }
}

extension DType {
    var isHalf: Bool { self == .bfloat16 || self == .float16 }

    fileprivate var floatFormat: apus_float_format {
        switch self {
        case .float32: APUS_FLOAT32
        case .bfloat16: APUS_BFLOAT16
        case .float16: APUS_FLOAT16
        default: preconditionFailure("\(self) is not converted")
        }
    }
}
