public import ApusBase
internal import CApusTorch

extension Tensor {
    /// Elements of unspecified value. `pinned` asks for locked host memory, which a GPU copies from
    /// and to while the host goes on; it fails without a GPU.
    public static func empty(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu, pinned: Bool = false
    ) -> Tensor {
        made("empty", []) { out in
            shape.withSizes { apus_empty($0, $1, dtype.code, device.code, pinned, out) }
        }
    }

    /// One value everywhere.
    public static func full(
        _ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        made("full", []) { out in
            shape.withSizes { apus_full($0, $1, value, dtype.code, device.code, out) }
        }
    }

    /// Zero everywhere.
    public static func zeros(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        full(shape, 0, dtype: dtype, device: device)
    }

    /// One everywhere.
    public static func ones(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        full(shape, 1, dtype: dtype, device: device)
    }

    /// A scalar (rank 0).
    public static func scalar(
        _ value: Double, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        full([], value, dtype: dtype, device: device)
    }

    /// The same shape, dtype and device, another value everywhere.
    public func filledLike(_ value: Double) -> Tensor {
        made("full_like", [self]) { apus_full_like(pointer, value, $0) }
    }

    /// The same shape, dtype and device; zero everywhere.
    public func zerosLike() -> Tensor { filledLike(0) }

    /// The same shape, dtype and device; one everywhere.
    public func onesLike() -> Tensor { filledLike(1) }

    /// The same shape, dtype and device; elements of unspecified value.
    public func emptyLike() -> Tensor {
        made("empty_like", [self]) { apus_empty_like(pointer, $0) }
    }

    /// `start, start + step, ...` below `end` (above it for a negative step).
    public static func arange(
        _ start: Double, _ end: Double, step: Double = 1, dtype: DType = .float32,
        device: Device = .cpu
    ) -> Tensor {
        made("arange", []) { apus_arange(start, end, step, dtype.code, device.code, $0) }
    }

    /// `0, 1, ...` below `end`.
    public static func arange(
        _ end: Double, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        arange(0, end, dtype: dtype, device: device)
    }

    /// `count` numbers from `start` to `end`, both included.
    public static func linspace(
        _ start: Double, _ end: Double, count: Int, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        made("linspace", []) {
            apus_linspace(start, end, Int64(count), dtype.code, device.code, $0)
        }
    }

    /// Ones on the diagonal of a `[rows, columns]` matrix of zeros; square without `columns`.
    public static func eye(
        _ rows: Int, _ columns: Int? = nil, dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        made("eye", []) {
            apus_eye(Int64(rows), Int64(columns ?? rows), dtype.code, device.code, $0)
        }
    }

    // MARK: From memory

    /// A copy of row-major elements; as many bytes as the shape needs.
    public init(copying bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType) {
        var nothing: UInt8 = 0
        self = withUnsafePointer(to: &nothing) { placeholder in
            made("from bytes", []) { out in
                shape.withSizes {
                    let start = bytes.baseAddress ?? UnsafeRawPointer(placeholder)
                    return apus_from_bytes(start, bytes.count, $0, $1, dtype.code, out)
                }
            }
        }
    }

    /// float32 from row-major elements; a vector when no shape is given.
    public init(_ elements: [Float], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .float32)
        }
    }

    /// int64 from row-major elements; a vector when no shape is given.
    public init(_ elements: [Int], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .int64)
        }
    }

    /// int32 from row-major elements; a vector when no shape is given.
    public init(_ elements: [Int32], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .int32)
        }
    }

    /// bool from row-major elements; a vector when no shape is given.
    public init(_ elements: [Bool], shape: [Int]? = nil) {
        self = elements.withUnsafeBytes {
            Tensor(copying: $0, shape: shape ?? [elements.count], dtype: .bool)
        }
    }

    /// Uses memory in place: as many bytes as the shape needs, aligned for the dtype. `owner` is
    /// kept alive until the last tensor that shares the memory is gone.
    public init(
        memory: UnsafeMutableRawPointer, shape: [Int], dtype: DType, owner: AnyObject?
    ) {
        let context = owner.map { Unmanaged.passRetained($0).toOpaque() }
        self = made("from memory", []) { out in
            shape.withSizes {
                apus_from_memory(
                    memory, $0, $1, dtype.code,
                    { $0.map { Unmanaged<AnyObject>.fromOpaque($0).release() } }, context, out)
            }
        }
    }
}
