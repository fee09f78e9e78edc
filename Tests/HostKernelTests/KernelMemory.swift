import ApusBase
import CApusHost

/// Elements of a format that live as long as this object, and their values as doubles.
final class KernelMemory {
    let format: apus_float_format
    let count: Int
    private let start: UnsafeMutableRawPointer

    init(_ values: [Float], _ format: apus_float_format = APUS_FLOAT32) {
        self.format = format
        count = values.count
        start = .allocate(byteCount: max(1, 4 * values.count), alignment: 64)
        values.withUnsafeBytes { bytes in
            let source = apus_floats(data: bytes.baseAddress, format: APUS_FLOAT32)
            apus_cast(mutable, source, values.count)
        }
    }

    convenience init(zeros count: Int, _ format: apus_float_format = APUS_FLOAT32) {
        self.init([Float](repeating: 0, count: count), format)
    }

    deinit { start.deallocate() }

    var floats: apus_floats { apus_floats(data: start, format: format) }
    var mutable: apus_mutable_floats { apus_mutable_floats(data: start, format: format) }
    var pointer: UnsafeMutablePointer<Float> { start.assumingMemoryBound(to: Float.self) }

    var values: [Float] {
        var result = [Float](repeating: 0, count: count)
        withExtendedLifetime(self) {
            result.withUnsafeMutableBytes { bytes in
                let target = apus_mutable_floats(data: bytes.baseAddress, format: APUS_FLOAT32)
                apus_cast(target, floats, count)
            }
        }
        return result
    }

    var doubles: [Double] { values.map { Double($0) } }
}

/// The formats that model operations compute with, and what a result may miss relative to its
/// neighbours' size: a few fp32 roundings, or half a unit of the 16-bit format.
let formats: [(format: apus_float_format, tolerance: Double)] = [
    (APUS_FLOAT32, 2e-6), (APUS_BFLOAT16, 4.2e-3), (APUS_FLOAT16, 5.3e-4),
]

extension SplitMix64 {
    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -2...2) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }

    /// Random values that are exact in `format`.
    mutating func memory(
        _ count: Int, _ format: apus_float_format, in range: ClosedRange<Float> = -2...2
    ) -> KernelMemory {
        KernelMemory(floats(count, in: range), format)
    }
}

/// The largest difference, in units of the larger of 1 and the expected value.
func deviation(_ found: [Double], _ expected: [Double]) -> Double {
    precondition(found.count == expected.count)
    return zip(found, expected).reduce(0) { worst, pair in
        max(worst, abs(pair.0 - pair.1) / max(1, abs(pair.1)))
    }
}

/// Runs `body` with each instruction set of this machine and returns what it made.
func outcomes<Outcome>(_ body: () -> Outcome) -> [Outcome] {
    defer { apus_limit_instruction_set(APUS_AVX512) }
    return (0...apus_highest_instruction_set().rawValue).map { level in
        apus_limit_instruction_set(apus_instruction_set(rawValue: level))
        return body()
    }
}

func allEqual<Outcome: Equatable>(_ outcomes: [Outcome]) -> Bool {
    outcomes.allSatisfy { $0 == outcomes[0] }
}
