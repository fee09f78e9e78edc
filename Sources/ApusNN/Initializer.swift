internal import ApusBase
public import ApusTensor

/// The values a parameter begins with.
public enum Initializer: Sendable, Hashable {
    case zeros
    case ones
    case normal(standardDeviation: Double)
    /// Uniform in [-bound, bound).
    case uniform(bound: Double)

    /// Writes the values of a whole parameter in place. The same seed and name give the same
    /// numbers, whatever else the model holds and in whatever order it is built.
    public func fill(_ tensor: Tensor, name: String, seed: UInt64) {
        let all = 0..<tensor.elementCount
        fill(tensor.reshape(-1), elements: all, of: tensor.elementCount, name: name, seed: seed)
    }

    /// Writes some of the values: the numbers that these elements have when the whole is filled.
    ///
    /// Random numbers are drawn in blocks with a generator each, so that a rank which holds a part
    /// of a parameter draws little more than that part.
    ///
    /// - tensor: `[elements.count]`
    /// - elements: of the parameter, in row-major order
    /// - count: of the whole parameter
    public func fill(
        _ tensor: Tensor, elements: Range<Int>, of count: Int, name: String, seed: UInt64
    ) {
        switch self {
        case .zeros: tensor.zeroInPlace()
        case .ones: tensor.fillInPlace(1)
        case .normal, .uniform:
            let name = fnv1a(name)
            let first = elements.lowerBound / Self.blockLength
            for block in first..<(elements.upperBound + Self.blockLength - 1) / Self.blockLength {
                let start = block * Self.blockLength
                let range = start..<min(start + Self.blockLength, count)
                let seed = SplitMix64.mix(SplitMix64.mix(seed ^ name) &+ UInt64(block))
                let generator = Generator(seed: seed, device: tensor.device)
                fill(tensor, elements, block: range, generator)
            }
        }
    }

    private static let blockLength = 1 << 16

    /// Draws a block and keeps what of it is asked for.
    private func fill(
        _ tensor: Tensor, _ elements: Range<Int>, block: Range<Int>, _ generator: Generator
    ) {
        let wanted = block.clamped(to: elements)
        let start = wanted.lowerBound - elements.lowerBound
        let place = start..<start + wanted.count
        guard wanted != block else {
            draw(tensor.slice(0, place), generator)
            return
        }
        let whole = Tensor.empty([block.count], dtype: tensor.dtype, device: tensor.device)
        draw(whole, generator)
        let first = wanted.lowerBound - block.lowerBound
        let kept = whole.slice(0, first..<first + wanted.count)
        tensor.slice(0, place).copyInPlace(from: kept)
    }

    private func draw(_ tensor: Tensor, _ generator: Generator) {
        switch self {
        case .zeros, .ones: break
        case .normal(let deviation):
            tensor.fillNormalInPlace(standardDeviation: deviation, generator: generator)
        case .uniform(let bound):
            tensor.fillUniformInPlace(-bound..<bound, generator: generator)
        }
    }
}

/// FNV-1a: a hash that is the same in every process, which Swift's own is not.
private func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
}
