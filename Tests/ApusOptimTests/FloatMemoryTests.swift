import ApusBase
import ApusOptim
import Testing

@Suite("Float memory") struct FloatMemoryTests {
    /// Numbers at which rounding is decided: ties, neighbours of ties, subnormals, overflow.
    private static let difficult: [Float] = {
        var random = SplitMix64(seed: 3)
        var bits: [UInt32] = (0..<2000).map { _ in
            UInt32(truncatingIfNeeded: random.next())
        }
        for exponent in UInt32(0)...255 {
            for mantissa in [0, 1, 0x0FFF, 0x1000, 0x1001, 0x3000, 0x7FFF, 0x8000, 0x8001] {
                bits.append(exponent << 23 | UInt32(mantissa))
                bits.append(1 << 31 | exponent << 23 | 0x7FFFFF - UInt32(mantissa))
            }
        }
        return bits.map { Float(bitPattern: $0) }
    }()

    /// Rounds to the nearest of the two neighbours in a format, ties to the even one, by
    /// arithmetic in double that knows nothing of the kernels' integer tricks.
    private func rounded(_ value: Float, significandBits: Int, minimumExponent: Int,
        largest: Double) -> Float
    {
        guard value.isFinite, value != 0 else { return value }
        let exponent = max(Int(value.exponent), minimumExponent)
        let unit = Double(sign: .plus, exponent: exponent - significandBits, significand: 1)
        let result = (Double(value) / unit).rounded(.toNearestOrEven) * unit
        return abs(result) > largest ? Float(signOf: value, magnitudeOf: .infinity) : Float(result)
    }

    @Test("Rounding to bf16 and fp16 is to nearest, ties to even", arguments: [
        (DType.bfloat16, 7, -126, 3.3895313892515355e38), (DType.float16, 10, -14, 65504),
    ])
    func rounding(dtype: DType, bits: Int, minimumExponent: Int, largest: Double) {
        let values = FloatMemoryTests.difficult
        let expected = values.map {
            rounded($0, significandBits: bits, minimumExponent: minimumExponent, largest: largest)
        }
        withEachInstructionSet {
            let found = OwnedFloats(values, as: dtype).values
            for (index, pair) in zip(found, expected).enumerated() {
                let same = pair.0 == pair.1 && pair.0.sign == pair.1.sign
                #expect(same || (pair.0.isNaN && pair.1.isNaN), "\(values[index])")
            }
        }
    }

    @Test("Casts between the 16-bit formats round once")
    func betweenHalves() {
        let source = OwnedFloats([1, 1.0078125, 65536, -3e-8, .infinity], as: .bfloat16)
        let target = OwnedFloats(zeros: 5, as: .float16)
        target.memory.copy(from: source.memory)
        #expect(target.values == [1, 1.0078125, .infinity, -5.9604645e-08, .infinity])
    }

    @Test("Scaling and accumulation compute in fp32", arguments: [
        DType.float32, .bfloat16, .float16,
    ])
    func scaleAndAccumulate(dtype: DType) {
        var random = SplitMix64(seed: 8)
        let values = OwnedFloats(random.floats(1500, exponents: -3...3), as: dtype)
        let start = random.floats(1500, exponents: -3...3)
        let sum = OwnedFloats(start)
        sum.memory.accumulate(values.memory, factor: 0.25)
        #expect(sum.values == zip(start, values.values).map { $0 + $1 * 0.25 })
        let expected = OwnedFloats(values.values.map { $0 * 1.7 }, as: dtype).values
        values.memory.scale(by: 1.7)
        #expect(values.values == expected)
    }

    @Test("The sum of squares is that of doubles, with every instruction set")
    func sumOfSquares() {
        var random = SplitMix64(seed: 4)
        for count in [0, 1, 15, 16, 33, 1024, 1025, 10_007] {
            let values = random.floats(count)
            let owned = OwnedFloats(values, offset: 4)
            let exact = values.reduce(0) { $0 + Double($1) * Double($1) }
            var sums: Set<Double> = []
            withEachInstructionSet { sums.insert(owned.memory.sumOfSquares()) }
            #expect(sums.count == 1)
            #expect(abs(sums.first! - exact) <= exact * 1e-14)
        }
    }

    @Test("Cutting a range changes nothing once rounded to fp32")
    func sumOfCutRange() {
        var random = SplitMix64(seed: 6)
        let owned = OwnedFloats(random.floats(20_011), as: .bfloat16)
        let whole = owned.memory.sumOfSquares()
        for cut in [1, 777, 1024, 19_999] {
            let parts = [owned.memory[0..<cut], owned.memory[cut..<20_011]]
            let sum = parts.reduce(0) { $0 + $1.sumOfSquares() }
            #expect(abs(sum - whole) <= whole * 1e-15)
            #expect(Float(sum) == Float(whole))
        }
    }

    @Test("A single element that is not finite shows in the sum, the largest finite ones do not",
        arguments: [0, 500, 1999])
    func nonFinite(position: Int) {
        var values = [Float](repeating: .greatestFiniteMagnitude, count: 2000)
        #expect(OwnedFloats(values).with { $0.sumOfSquares() }.isFinite)
        for broken in [Float.nan, .infinity, -.infinity] {
            values[position] = broken
            #expect(!OwnedFloats(values).with { $0.sumOfSquares() }.isFinite)
        }
    }
}
