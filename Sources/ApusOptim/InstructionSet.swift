internal import CApusHost

/// The vector instructions that the host kernels use, narrowest first. All of them compute the
/// same bits; a limit is for tests, benchmarks and the search for defects.
public enum InstructionSet: Int, Sendable, CaseIterable {
    /// SSE2 on x86-64, NEON on arm64.
    case baseline
    /// AVX2 with FMA and F16C.
    case avx2
    /// AVX-512 F, BW, DQ and VL.
    case avx512
    /// And BF16.
    case avx512BFloat16

    /// Those that this machine can run.
    public static var available: [InstructionSet] {
        allCases.filter { $0.rawValue <= Int(apus_highest_instruction_set().rawValue) }
    }

    /// The one that the calling thread uses.
    public static var current: InstructionSet {
        InstructionSet(rawValue: Int(apus_current_instruction_set().rawValue)) ?? .baseline
    }

    /// Bounds the calling thread to `limit`; nil removes the bound.
    public static func limit(to limit: InstructionSet?) {
        let highest = limit ?? .avx512BFloat16
        apus_limit_instruction_set(apus_instruction_set(rawValue: UInt32(highest.rawValue)))
    }
}
