/// A tensor that a pickle describes: a view of a storage.
public final class PickledTensor: Sendable {
    public let dtype: SafetensorsDType
    public let shape: [Int]
    /// In elements.
    public let strides: [Int]
    /// Of the first element, from the beginning of the storage, in elements.
    public let offset: Int
    public let storage: PickledStorage

    init(
        dtype: SafetensorsDType, shape: [Int], strides: [Int], offset: Int, storage: PickledStorage
    ) {
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.storage = storage
    }

    public var elementCount: Int { shape.reduce(1, *) }

    /// Whether the elements stand side by side in row-major order.
    public var isContiguous: Bool { elementCount == 0 || strides(except: 1) }

    private func strides(except single: Int) -> Bool {
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != single {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }
}

/// The memory that tensors share: two tensors are tied when their storages are the same object.
public final class PickledStorage: Sendable {
    enum Place: Sendable {
        /// Offset in the file.
        case file(Int)
        case memory([UInt8])
    }

    /// Its name in the file; empty for arrays of numpy, which share nothing.
    public let key: String
    public let byteCount: Int
    let place: Place

    init(key: String, byteCount: Int, place: Place) {
        self.key = key
        self.byteCount = byteCount
        self.place = place
    }
}
