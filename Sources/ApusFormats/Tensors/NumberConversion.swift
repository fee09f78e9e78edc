public import ApusBase
internal import CApusHost

/// Conversion between the floating-point types of tensors, rounding to nearest even.
public enum NumberConversion {
    /// Whether ``convert(_:_:to:_:)`` is defined: between floating-point types, or nothing to do.
    public static func isDefined(from source: DType, to target: DType) -> Bool {
        source == target || (source.isFloatingPoint && target.isFloatingPoint)
    }

    /// Converts as many elements as `source` holds. Both buffers are aligned and do not overlap.
    public static func convert(
        _ source: UnsafeRawBufferPointer, _ sourceType: DType,
        to target: UnsafeMutableRawBufferPointer, _ targetType: DType
    ) {
        let count = source.count / sourceType.byteCount
        precondition(
            target.count == count * targetType.byteCount,
            "convert: \(count) elements of \(sourceType) to \(target.count) bytes of \(targetType)"
        )
        precondition(
            isDefined(from: sourceType, to: targetType),
            "convert: \(sourceType) to \(targetType) is not defined")
        guard let input = source.baseAddress, let output = target.baseAddress else { return }
        if sourceType == targetType {
            output.copyMemory(from: input, byteCount: source.count)
        } else if sourceType == .float32 {
            fromFloat32(input.assumingMemoryBound(to: Float.self), output, targetType, count)
        } else if targetType == .float32 {
            toFloat32(input, sourceType, output.assumingMemoryBound(to: Float.self), count)
        } else {
            throughFloat32(input, sourceType, output, targetType, count)
        }
    }

    private static func toFloat32(
        _ input: UnsafeRawPointer, _ type: DType, _ output: UnsafeMutablePointer<Float>,
        _ count: Int
    ) {
        switch type {
        case .float16: apus_f16_to_f32(input.assumingMemoryBound(to: UInt16.self), output, count)
        case .bfloat16: apus_bf16_to_f32(input.assumingMemoryBound(to: UInt16.self), output, count)
        case .float64: apus_f64_to_f32(input.assumingMemoryBound(to: Double.self), output, count)
        case .float32, .int8, .int16, .int32, .int64, .uint8, .bool:
            preconditionFailure("convert: \(type) is not a type to convert to float32")
        }
    }

    private static func fromFloat32(
        _ input: UnsafePointer<Float>, _ output: UnsafeMutableRawPointer, _ type: DType,
        _ count: Int
    ) {
        switch type {
        case .float16: apus_f32_to_f16(input, output.assumingMemoryBound(to: UInt16.self), count)
        case .bfloat16: apus_f32_to_bf16(input, output.assumingMemoryBound(to: UInt16.self), count)
        case .float64: apus_f32_to_f64(input, output.assumingMemoryBound(to: Double.self), count)
        case .float32, .int8, .int16, .int32, .int64, .uint8, .bool:
            preconditionFailure("convert: \(type) is not a type to convert from float32")
        }
    }

    /// In tiles that stay in the cache.
    private static func throughFloat32(
        _ input: UnsafeRawPointer, _ inputType: DType, _ output: UnsafeMutableRawPointer,
        _ outputType: DType, _ count: Int
    ) {
        let tile = 4096
        withUnsafeTemporaryAllocation(of: Float.self, capacity: tile) { scratch in
            let floats = scratch.baseAddress!
            for start in stride(from: 0, to: count, by: tile) {
                let part = min(tile, count - start)
                toFloat32(input + start * inputType.byteCount, inputType, floats, part)
                fromFloat32(floats, output + start * outputType.byteCount, outputType, part)
            }
        }
    }
}
