public import ApusBase
internal import CApusHost

/// A borrowed, contiguous run of floating-point elements in host memory: fp32, bf16 or fp16.
///
/// A window onto flat buffers that somebody else owns (the engine, a tensor's storage, a mapped
/// file); it does not keep them alive. Operations may run on disjoint runs from several threads.
public struct FloatMemory {
    public let start: UnsafeMutableRawPointer
    public let dtype: DType
    public let count: Int

    /// - Parameter dtype: `.float32`, `.bfloat16` or `.float16`.
    public init(_ start: UnsafeMutableRawPointer, _ dtype: DType, count: Int) {
        precondition(
            FloatMemory.format(of: dtype) != nil,
            "FloatMemory: elements must be float32, bfloat16 or float16, not \(dtype)")
        precondition(count >= 0, "FloatMemory: a count must not be negative, but is \(count)")
        self.start = start
        self.dtype = dtype
        self.count = count
    }

    /// A run of fp32.
    public init(_ floats: UnsafeMutablePointer<Float>, count: Int) {
        self.init(UnsafeMutableRawPointer(floats), .float32, count: count)
    }

    /// The elements `range` of this run.
    public subscript(range: Range<Int>) -> FloatMemory {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count,
            "FloatMemory: elements \(range) of a run of \(count)")
        return FloatMemory(start + range.lowerBound * dtype.byteCount, dtype, count: range.count)
    }

    /// Writes the elements of `source`, rounded to nearest, ties to even.
    public func copy(from source: FloatMemory) {
        precondition(
            source.count == count,
            "FloatMemory.copy: \(source.count) elements into a run of \(count)")
        apus_cast(mutable, source.constant, count)
    }

    /// Multiplies each element by `factor`, computed in fp32.
    public func scale(by factor: Float) {
        apus_scale(mutable, factor, count)
    }

    /// `self += factor * addend`, computed in fp32; this run must be fp32.
    public func accumulate(_ addend: FloatMemory, factor: Float = 1) {
        precondition(dtype == .float32, "FloatMemory.accumulate: the sum must be float32")
        precondition(
            addend.count == count,
            "FloatMemory.accumulate: \(addend.count) elements onto a run of \(count)")
        apus_accumulate(start.assumingMemoryBound(to: Float.self), addend.constant, factor, count)
    }

    /// The sum of squares, accumulated in double precision: finite if and only if every element
    /// is. However a run is cut, the sums of the parts add up to the same number within a few
    /// units in the last place of a double.
    public func sumOfSquares() -> Double {
        apus_sum_of_squares(constant, count)
    }

    var constant: apus_floats {
        apus_floats(data: start, format: FloatMemory.format(of: dtype) ?? APUS_FLOAT32)
    }

    var mutable: apus_mutable_floats {
        apus_mutable_floats(data: start, format: FloatMemory.format(of: dtype) ?? APUS_FLOAT32)
    }

    private static func format(of dtype: DType) -> apus_float_format? {
        switch dtype {
        case .float32: APUS_FLOAT32
        case .bfloat16: APUS_BFLOAT16
        case .float16: APUS_FLOAT16
        case .float64, .int8, .int16, .int32, .int64, .uint8, .bool: nil
        }
    }
}
