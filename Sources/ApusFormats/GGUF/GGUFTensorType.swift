internal import ApusBase

/// The element formats of GGUF tensors that can be read, with the numbers of ggml.
enum GGUFTensorType: UInt32, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case q8_K = 15
    case iq4_NL = 20
    case iq4_XS = 23
    case i8 = 24
    case i16 = 25
    case i32 = 26
    case i64 = 27
    case f64 = 28
    case bf16 = 30
    case mxfp4 = 39

    /// The name as llama.cpp prints it.
    var name: String { "\(self)".uppercased() }

    var stored: StoredFormat {
        switch self {
        case .f32: .plain(.float32)
        case .f16: .plain(.float16)
        case .bf16: .plain(.bfloat16)
        case .f64: .plain(.float64)
        case .i8: .plain(.int8)
        case .i16: .plain(.int16)
        case .i32: .plain(.int32)
        case .i64: .plain(.int64)
        case .q4_0, .iq4_NL: blocks(32, 18)
        case .q4_1: blocks(32, 20)
        case .q5_0: blocks(32, 22)
        case .q5_1: blocks(32, 24)
        case .q8_0: blocks(32, 34)
        case .mxfp4: blocks(32, 17)
        case .q2_K: blocks(256, 84)
        case .q3_K: blocks(256, 110)
        case .q4_K: blocks(256, 144)
        case .q5_K: blocks(256, 176)
        case .q6_K: blocks(256, 210)
        case .q8_K: blocks(256, 292)
        case .iq4_XS: blocks(256, 136)
        }
    }

    private func blocks(_ elements: Int, _ bytes: Int) -> StoredFormat {
        .blocks(code: Int32(rawValue), elements: elements, bytes: bytes)
    }
}
