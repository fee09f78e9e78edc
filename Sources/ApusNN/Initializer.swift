internal import ApusBase
public import ApusTensor

/// The values a parameter begins with.
public enum Initializer: Sendable, Hashable {
    case zeros
    case ones
    case normal(standardDeviation: Double)
    /// Uniform in [-bound, bound).
    case uniform(bound: Double)

    /// Writes the values in place. The same seed and name give the same numbers, whatever else the
    /// model holds and in whatever order it is built.
    public func fill(_ tensor: Tensor, name: String, seed: UInt64) {
        switch self {
        case .zeros: tensor.zeroInPlace()
        case .ones: tensor.fillInPlace(1)
        case .normal(let deviation):
            tensor.fillNormalInPlace(
                standardDeviation: deviation, generator: generator(name, seed, tensor.device))
        case .uniform(let bound):
            tensor.fillUniformInPlace(
                -bound..<bound, generator: generator(name, seed, tensor.device))
        }
    }

    private func generator(_ name: String, _ seed: UInt64, _ device: Device) -> Generator {
        Generator(seed: SplitMix64.mix(seed ^ fnv1a(name)), device: device)
    }
}

/// FNV-1a: a hash that is the same in every process, which Swift's own is not.
private func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
}
