/// The element type of a tensor, known at run time.
public enum DType: String, Sendable, CaseIterable {
    case float32, float64, float16, bfloat16
    case int8, int16, int32, int64, uint8
    case bool

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .int8, .uint8, .bool: 1
        case .float16, .bfloat16, .int16: 2
        case .float32, .int32: 4
        case .float64, .int64: 8
        }
    }

    public var isFloatingPoint: Bool {
        switch self {
        case .float32, .float64, .float16, .bfloat16: true
        case .int8, .int16, .int32, .int64, .uint8, .bool: false
        }
    }
}

extension DType: CustomStringConvertible {
    public var description: String { rawValue }
}
