public import ApusBase
internal import CApusTorch

/// A seeded source of random numbers on one device. The same seed gives the same numbers on the
/// same kind of device.
public final class Generator {
    let pointer: OpaquePointer
    public let device: Device

    /// Stops the program when the device does not exist.
    public init(seed: UInt64, device: Device = .cpu) {
        var out: OpaquePointer?
        done("generator", [], apus_generator_make(seed, device.code, &out))
        // A class cannot be undefined as a tensor can.
        guard let out else { fatalError("generator: none for \(device)") }
        pointer = out
        self.device = device
    }

    deinit { apus_generator_release(pointer) }

    /// The whole state, a byte tensor on the host; setting it continues the sequence from there.
    public var state: Tensor {
        get { made("generator state", []) { apus_generator_state(pointer, device.code, $0) } }
        set {
            let status = apus_generator_set_state(pointer, device.code, newValue.pointer)
            done("generator state", [newValue], status)
        }
    }

    /// The state of a device's default generator, which dropout draws from.
    public static func defaultState(of device: Device = .cpu) -> Tensor {
        made("generator state", []) { apus_generator_state(nil, device.code, $0) }
    }

    /// Makes a device's default generator continue from a state.
    public static func setDefaultState(_ state: Tensor, of device: Device = .cpu) {
        let status = apus_generator_set_state(nil, device.code, state.pointer)
        done("generator state", [state], status)
    }

    /// Seeds the default generators of all devices.
    public static func seedAll(_ seed: UInt64) { done("seed", [], apus_seed_all(seed)) }
}

/// Random tensors; without a generator the device's default one is drawn from.
extension Tensor {
    /// Uniform in [0, 1).
    public static func rand(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu,
        generator: Generator? = nil
    ) -> Tensor {
        let tensor = empty(shape, dtype: dtype, device: device)
        tensor.fillUniformInPlace(0..<1, generator: generator)
        return tensor
    }

    /// Normal with mean 0 and standard deviation 1.
    public static func randn(
        _ shape: [Int], dtype: DType = .float32, device: Device = .cpu,
        generator: Generator? = nil
    ) -> Tensor {
        let tensor = empty(shape, dtype: dtype, device: device)
        tensor.fillNormalInPlace(generator: generator)
        return tensor
    }

    /// int64, uniform in a range whose bounds are below 2^53 in size.
    public static func randomIntegers(
        _ range: Range<Int>, _ shape: [Int], device: Device = .cpu, generator: Generator? = nil
    ) -> Tensor {
        let tensor = empty(shape, dtype: .int64, device: device)
        let low = Double(range.lowerBound)
        let high = Double(range.upperBound)
        tensor.fillRandom(APUS_RANDOM_INTEGERS, low, high, generator, "random integers")
        return tensor
    }

    /// The numbers 0 to `count` - 1 in random order, int64.
    public static func randomPermutation(
        _ count: Int, device: Device = .cpu, generator: Generator? = nil
    ) -> Tensor {
        made("random permutation", []) {
            apus_random_permutation(Int64(count), device.code, generator?.pointer, $0)
        }
    }

    /// Uniform in a range.
    public func fillUniformInPlace(_ range: Range<Double>, generator: Generator? = nil) {
        fillRandom(
            APUS_RANDOM_UNIFORM, range.lowerBound, range.upperBound, generator, "uniform")
    }

    public func fillNormalInPlace(
        mean: Double = 0, standardDeviation: Double = 1, generator: Generator? = nil
    ) {
        fillRandom(APUS_RANDOM_NORMAL, mean, standardDeviation, generator, "normal")
    }

    /// 1 with the given probability, otherwise 0.
    public func fillBernoulliInPlace(_ probability: Double, generator: Generator? = nil) {
        fillRandom(APUS_RANDOM_BERNOULLI, probability, 0, generator, "bernoulli")
    }

    private func fillRandom(
        _ kind: apus_random_kind, _ a: Double, _ b: Double, _ generator: Generator?,
        _ name: StaticString
    ) {
        done(name, [self], apus_fill_random(kind, pointer, a, b, generator?.pointer))
    }

    /// Draws `count` indices (int64) a row from (unnormalised) probabilities `[..., classes]`.
    public func multinomial(
        _ count: Int, replacement: Bool = false, generator: Generator? = nil
    ) -> Tensor {
        made("multinomial", [self]) {
            apus_multinomial(pointer, Int64(count), replacement, generator?.pointer, $0)
        }
    }
}
