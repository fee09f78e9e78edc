public import ApusBase

/// The element types of safetensors files, in the order of the reference implementation: files are
/// written with the later ones first.
public enum SafetensorsDType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case f4 = "F4"
    case f6E2M3 = "F6_E2M3"
    case f6E3M2 = "F6_E3M2"
    case u8 = "U8"
    case i8 = "I8"
    case f8E5M2 = "F8_E5M2"
    case f8E4M3 = "F8_E4M3"
    case f8E8M0 = "F8_E8M0"
    case f8E4M3FNUZ = "F8_E4M3FNUZ"
    case f8E5M2FNUZ = "F8_E5M2FNUZ"
    case i16 = "I16"
    case u16 = "U16"
    case f16 = "F16"
    case bf16 = "BF16"
    case i32 = "I32"
    case u32 = "U32"
    case f32 = "F32"
    case c64 = "C64"
    case f64 = "F64"
    case i64 = "I64"
    case u64 = "U64"

    /// Bits of one element.
    public var bitCount: Int {
        switch self {
        case .f4: 4
        case .f6E2M3, .f6E3M2: 6
        case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .c64, .f64, .i64, .u64: 64
        }
    }

    public init(_ dtype: DType) {
        switch dtype {
        case .float32: self = .f32
        case .float64: self = .f64
        case .float16: self = .f16
        case .bfloat16: self = .bf16
        case .int8: self = .i8
        case .int16: self = .i16
        case .int32: self = .i32
        case .int64: self = .i64
        case .uint8: self = .u8
        case .bool: self = .bool
        }
    }

    /// The type to compute with; nil where there is none.
    public var dtype: DType? {
        switch self {
        case .bool: .bool
        case .u8: .uint8
        case .i8: .int8
        case .i16: .int16
        case .f16: .float16
        case .bf16: .bfloat16
        case .i32: .int32
        case .f32: .float32
        case .f64: .float64
        case .i64: .int64
        case .f4, .f6E2M3, .f6E3M2, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: nil
        case .u16, .u32, .c64, .u64: nil
        }
    }

    /// How to read the elements as numbers; nil where only the raw bytes can be had.
    var stored: StoredFormat? {
        switch self {
        case .f8E4M3: .float8E4M3
        case .f8E5M2: .float8E5M2
        default: dtype.map { .plain($0) }
        }
    }

    /// Where the type stands in the reference's order.
    var order: Int { Self.allCases.firstIndex(of: self)! }
}
