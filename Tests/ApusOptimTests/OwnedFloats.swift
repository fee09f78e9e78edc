import ApusBase
import ApusOptim

/// Floating-point elements of any format that live as long as this object.
final class OwnedFloats {
    /// Valid only as long as this object: in one expression with a temporary, use `with`.
    let memory: FloatMemory

    /// - Parameter offset: bytes by which the first element misses a 64-byte boundary.
    init(_ values: [Float], as dtype: DType = .float32, offset: Int = 0) {
        let byteCount = values.count * dtype.byteCount
        base = .allocate(byteCount: max(64, byteCount + offset), alignment: 64)
        memory = FloatMemory(base + offset, dtype, count: values.count)
        if dtype == .float32 {
            pointer.update(from: values, count: values.count)
        } else {
            OwnedFloats(values).with { memory.copy(from: $0) }
        }
    }

    convenience init(zeros count: Int, as dtype: DType = .float32) {
        self.init([Float](repeating: 0, count: count), as: dtype)
    }

    deinit { base.deallocate() }

    func with<Result>(_ body: (FloatMemory) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(self) { try body(memory) }
    }

    /// The elements, if fp32.
    var pointer: UnsafeMutablePointer<Float> {
        precondition(memory.dtype == .float32)
        return memory.start.assumingMemoryBound(to: Float.self)
    }

    /// The elements, widened.
    var values: [Float] {
        if memory.dtype == .float32 {
            return with { _ in Array(UnsafeBufferPointer(start: pointer, count: memory.count)) }
        }
        let wide = OwnedFloats(zeros: memory.count)
        with { wide.memory.copy(from: $0) }
        return wide.values
    }

    private let base: UnsafeMutableRawPointer
}

extension SplitMix64 {
    /// Random floats of either sign over many orders of magnitude.
    mutating func floats(_ count: Int, exponents: ClosedRange<Int> = -20...4) -> [Float] {
        (0..<count).map { _ in
            let mantissa = Float.random(in: -1...1, using: &self)
            return Float(sign: .plus, exponent: .random(in: exponents, using: &self),
                significand: mantissa)
        }
    }
}

/// Runs `body` with each instruction set that this machine has, narrowest first.
func withEachInstructionSet(_ body: () throws -> Void) rethrows {
    defer { InstructionSet.limit(to: nil) }
    for level in InstructionSet.available {
        InstructionSet.limit(to: level)
        try body()
    }
}
