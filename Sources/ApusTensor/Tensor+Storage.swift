internal import CApusTorch

/// Storage games of the engine; autograd does not know of the sharing.
extension Tensor {
    /// Where the first element lies in the storage, in elements.
    public var storageOffset: Int { Int(apus_tensor_storage_offset(pointer)) }

    /// Bytes of the whole storage now; 0 when it was freed.
    public var storageByteCount: Int { Int(apus_tensor_storage_bytes(pointer)) }

    /// Whether the tensor has elements but their memory was given back with
    /// ``resizeStorage(byteCount:)``: operations refuse it then.
    public var isFreed: Bool { storageByteCount == 0 && elementCount > 0 }

    /// A new leaf over `shape.product` elements of this tensor's storage, from element `offset` on,
    /// row-major. Fails when the storage ends before.
    public func storageView(offset: Int, shape: [Int]) -> Tensor {
        made("storage view", [self]) { out in
            shape.withSizes { apus_storage_view(pointer, Int64(offset), $0, $1, out) }
        }
    }

    /// Makes this tensor point to `data`'s storage and shape, keeping its identity: gradients,
    /// hooks and all copies of this `Tensor` stay.
    public func setData(_ data: Tensor) {
        done("set data", [self, data], apus_set_data(pointer, data.pointer))
    }

    /// Frees (0) or restores the storage; all tensors that share it see the new memory, whose
    /// contents are unspecified. Fails for memory that is not libtorch's own.
    public func resizeStorage(byteCount: Int) {
        done("resize storage", [self], apus_storage_resize(pointer, Int64(byteCount)))
    }
}
