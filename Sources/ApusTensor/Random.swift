public import ApusBase
internal import CApusTorch

/// A seeded source of random numbers on one device.
public final class Generator {
    let pointer: OpaquePointer
    public let device: Device

    public init(seed: UInt64, device: Device = .cpu) {
        var out: OpaquePointer?
        done("generator", [], apus_generator_make(seed, device.code, &out))
        guard let out else { fatalError("generator: none for \(device)") }
        pointer = out
        self.device = device
    }

    deinit { apus_generator_release(pointer) }

    /// The whole state, a byte tensor; setting it continues the sequence from there.
    public var state: Tensor {
        get { made("generator state", []) { apus_generator_state(pointer, device.code, $0) } }
        set { done("generator state", [], apus_generator_set_state(pointer, device.code, newValue.pointer)) }
    }

    /// The state of a device's default generator, which dropout draws from.
    public static func defaultState(of device: Device = .cpu) -> Tensor {
        made("generator state", []) { apus_generator_state(nil, device.code, $0) }
    }

    public static func setDefaultState(_ state: Tensor, of device: Device = .cpu) {
        done("generator state", [], apus_generator_set_state(nil, device.code, state.pointer))
    }

    /// Seeds the default generators of all devices.
    public static func seedAll(_ seed: UInt64) { done("seed", [], apus_seed_all(seed)) }
}

extension Tensor {
    /// Uniform in [0, 1).
    public static func rand(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu, generator: Generator? = nil
    ) -> Tensor {
        let tensor = empty(shape, dtype: dtype, device: device)
        tensor.fillUniformInPlace(0..<1, generator: generator)
        return tensor
    }

    /// Normal with mean 0 and standard deviation 1.
    public static func randn(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu, generator: Generator? = nil
    ) -> Tensor {
        let tensor = empty(shape, dtype: dtype, device: device)
        tensor.fillNormalInPlace(generator: generator)
        return tensor
    }

    /// int64, uniform in a range.
    public static func randomIntegers(
        _ range: Range<Int>, _ shape: [Int], device: Device = .cpu, generator: Generator? = nil
    ) -> Tensor {
        let tensor = empty(shape, dtype: .int64, device: device)
        let low = Int64(range.lowerBound)
        let high = Int64(range.upperBound)
        done("random", [], apus_fill_integers(tensor.pointer, low, high, generator?.pointer))
        return tensor
    }

    public func fillUniformInPlace(_ range: Range<Double>, generator: Generator? = nil) {
        let status = apus_fill_uniform(pointer, range.lowerBound, range.upperBound, generator?.pointer)
        done("uniform", [self], status)
    }

    public func fillNormalInPlace(
        mean: Double = 0, standardDeviation: Double = 1, generator: Generator? = nil
    ) {
        done("normal", [self], apus_fill_normal(pointer, mean, standardDeviation, generator?.pointer))
    }

    /// Draws `count` indices a row from (unnormalised) probabilities `[..., classes]`.
    public func multinomial(
        _ count: Int, replacement: Bool = false, generator: Generator? = nil
    ) -> Tensor {
        made("multinomial", [self]) {
            apus_multinomial(pointer, Int64(count), replacement, generator?.pointer, $0)
        }
    }
}
