public import ApusBase
public import ApusTensor

/// Something a collective can read or write: a tensor, or plain memory.
public protocol CommOperand {
    /// The elements, contiguous in row-major order.
    var commBuffer: CommBuffer { get }
}

/// Contiguous elements of one dtype in a device's memory, with what keeps that memory alive.
public struct CommBuffer: CommOperand {
    /// The first element; nil only when `elementCount` is zero.
    public let address: UnsafeMutableRawPointer?
    public let elementCount: Int
    public let dtype: DType
    public let device: Device
    /// Held until the operation has ended.
    let owner: AnyObject?

    public init(
        _ address: UnsafeMutableRawPointer?, elementCount: Int, dtype: DType,
        device: Device = .cpu, owner: AnyObject? = nil
    ) {
        precondition(elementCount >= 0, "CommBuffer: a negative element count, \(elementCount)")
        precondition(
            address != nil || elementCount == 0,
            "CommBuffer: \(elementCount) elements without an address")
        self.address = address
        self.elementCount = elementCount
        self.dtype = dtype
        self.device = device
        self.owner = owner
    }

    public var byteCount: Int { elementCount * dtype.byteCount }
    public var commBuffer: CommBuffer { self }

    /// Elements `range`, which share this buffer's memory.
    public subscript(range: Range<Int>) -> CommBuffer {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= elementCount,
            "CommBuffer: elements \(range) of \(elementCount)")
        let start = address?.advanced(by: range.lowerBound * dtype.byteCount)
        return CommBuffer(
            start, elementCount: range.count, dtype: dtype, device: device, owner: owner)
    }

    static func empty(_ dtype: DType = .uint8) -> CommBuffer {
        CommBuffer(nil, elementCount: 0, dtype: dtype)
    }
}
