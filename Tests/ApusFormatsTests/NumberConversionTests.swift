import ApusBase
import ApusFormats
import Testing

@Suite struct NumberConversionTests {
    func convert<From, To>(_ values: [From], _ from: DType, _ to: DType, zero: To) -> [To] {
        var result = [To](repeating: zero, count: values.count)
        values.withUnsafeBytes { source in
            result.withUnsafeMutableBytes { NumberConversion.convert(source, from, to: $0, to) }
        }
        return result
    }

    /// Floats of all magnitudes, halfway cases and special values.
    func samples() -> [Float] {
        var random = SplitMix64(seed: 3)
        var bits = (0..<20_000).map { _ in UInt32(truncatingIfNeeded: random.next()) }
        // The neighbourhood of every kind of half: normal, halfway, subnormal, the largest.
        for exponent in UInt32(100)..<145 {
            for mantissa in [
                0, 0x1000, 0x0FFF, 0x1001, 0x2000, 0x3000, 0x7F_F000, 0x7F_FFFF, 0x8000,
            ] {
                bits.append(exponent << 23 | UInt32(mantissa))
            }
        }
        bits += [
            0, 0x8000_0000, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0x7F80_0001, 1, 0x7F7F_FFFF,
        ]
        return bits.map { Float(bitPattern: $0) }
    }

    #if !(os(macOS) && arch(x86_64))
        @Test func everyHalf() {
            let halves = (UInt16.min...UInt16.max).map { $0 }
            let floats = convert(halves, .float16, .float32, zero: Float(0))
            for (half, float) in zip(halves, floats) {
                let wanted = Float(Float16(bitPattern: half))
                guard wanted.bitPattern != float.bitPattern else { continue }
                #expect(wanted.isNaN && float.isNaN, "\(half)")
            }
            let back = convert(floats, .float32, .float16, zero: UInt16(0))
            #expect(zip(halves, back).allSatisfy { $0 == $1 || Float16(bitPattern: $0).isNaN })
        }

        @Test func floatsRoundToTheNearestHalf() {
            let values = samples()
            let halves = convert(values, .float32, .float16, zero: UInt16(0))
            for (value, half) in zip(values, halves) {
                let wanted = Float16(value)
                guard wanted.bitPattern != half else { continue }
                #expect(wanted.isNaN && Float16(bitPattern: half).isNaN, "\(value) \(half)")
            }
        }
    #endif

    @Test func floatsRoundToTheNearestBrainFloat() {
        let values = samples()
        let results = convert(values, .float32, .bfloat16, zero: UInt16(0))
        for (value, result) in zip(values, results) {
            let rounded = Float(bitPattern: UInt32(result) << 16)
            if value.isNaN {
                #expect(rounded.isNaN)
                continue
            }
            // The two neighbours, and even on a tie.
            let low = UInt32(value.bitPattern >> 16)
            let rest = value.bitPattern & 0xFFFF
            let isUp = rest > 0x8000 || (rest == 0x8000 && low & 1 == 1)
            #expect(UInt32(result) == low + (isUp ? 1 : 0), "\(value)")
        }
    }

    @Test func doublesAndTiles() {
        let values = (0..<9000).map { Double($0) / 3 }
        let halves = convert(values, .float64, .bfloat16, zero: UInt16(0))
        let direct = convert(values.map { Float($0) }, .float32, .bfloat16, zero: UInt16(0))
        #expect(halves == direct)
        let back = convert(values.map { Float($0) }, .float32, .float64, zero: 0.0)
        #expect(back == values.map { Double(Float($0)) })
    }
}
