internal import ApusBase
public import ApusTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How positions turn into angles. Source: Su et al.: "RoFormer" (2021); the scalings as noted.
public struct RotaryConfiguration: Sendable, Hashable {
    public enum Scaling: Sendable, Hashable {
        /// Positions divided by a factor (Chen et al., 2023).
        case linear(factor: Double)
        /// A larger base once a sequence is longer than the model was trained for ("NTK-aware").
        case dynamic(factor: Double, trainedLength: Int)
        /// Long wavelengths divided, short ones kept, those between interpolated (Llama 3.1).
        case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, trainedLength: Int)
        /// Peng et al.: "YaRN" (2023).
        case yarn(YaRN)
        /// Ding et al.: "LongRoPE" (2024): a divisor for each frequency, found by search.
        case longRope(LongRoPE)
    }

    public struct LongRoPE: Sendable, Hashable {
        /// Divisors up to the trained length.
        public var short: [Double]
        /// Divisors beyond it.
        public var long: [Double]
        public var trainedLength: Int
        /// What cosines and sines are multiplied by.
        public var attentionFactor: Double
    }

    public struct YaRN: Sendable, Hashable {
        public var factor: Double
        public var trainedLength: Int
        public var betaFast = 32.0
        public var betaSlow = 1.0
        /// What scores' temperature is corrected by; nil: 0.1 ln(factor) + 1.
        public var attentionFactor: Double?
        public var truncates = true
    }

    /// Components of a head that are rotated; even.
    public var width: Int
    public var theta: Double
    public var scaling: Scaling?

    public init(width: Int, theta: Double, scaling: Scaling? = nil) {
        self.width = width
        self.theta = theta
        self.scaling = scaling
    }

    /// What cosines and sines are multiplied by.
    var amplitude: Double {
        if case .longRope(let longRope) = scaling { return longRope.attentionFactor }
        guard case .yarn(let yarn) = scaling else { return 1 }
        if let given = yarn.attentionFactor { return given }
        return yarn.factor > 1 ? 0.1 * log(yarn.factor) + 1 : 1
    }

    /// The angle that each pair of components advances by a position, for sequences of `length`.
    func frequencies(length: Int) -> [Double] {
        switch scaling {
        case nil: plain(theta)
        case .linear(let factor): plain(theta).map { $0 / factor }
        case .dynamic(let factor, let trained):
            plain(dynamicTheta(factor, max(length, trained), trained))
        case .llama3(let factor, let low, let high, let trained):
            plain(theta).map { llama3($0, factor, low, high, Double(trained)) }
        case .yarn(let yarn): self.yarn(yarn)
        case .longRope(let scaling):
            zip(plain(theta), length > scaling.trainedLength ? scaling.long : scaling.short)
                .map { $0 / $1 }
        }
    }

    private func plain(_ theta: Double) -> [Double] {
        (0..<width / 2).map { 1 / pow(theta, Double(2 * $0) / Double(width)) }
    }

    private func dynamicTheta(_ factor: Double, _ length: Int, _ trained: Int) -> Double {
        let growth = factor * Double(length) / Double(trained) - (factor - 1)
        return theta * pow(growth, Double(width) / Double(width - 2))
    }

    private func llama3(
        _ frequency: Double, _ factor: Double, _ low: Double, _ high: Double, _ trained: Double
    ) -> Double {
        let wavelength = 2 * Double.pi / frequency
        if wavelength < trained / high { return frequency }
        if wavelength > trained / low { return frequency / factor }
        let smooth = (trained / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
    }

    private func yarn(_ yarn: YaRN) -> [Double] {
        func dimension(ofRotations rotations: Double) -> Double {
            let turns = Double(yarn.trainedLength) / (rotations * 2 * .pi)
            return Double(width) * log(turns) / (2 * log(theta))
        }
        var low = dimension(ofRotations: yarn.betaFast)
        var high = dimension(ofRotations: yarn.betaSlow)
        if yarn.truncates {
            low = low.rounded(.down)
            high = high.rounded(.up)
        }
        low = max(low, 0)
        high = min(high, Double(width - 1))
        if low == high { high += 0.001 }
        return plain(theta).enumerated().map { index, frequency in
            let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
            return frequency / yarn.factor * ramp + frequency * (1 - ramp)
        }
    }
}

extension RotaryConfiguration {
    /// Reads `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before). Where
    /// both are there, `rope_scaling` is what somebody added, and counts, as in transformers.
    ///
    /// - width: of a head; `partial_rotary_factor` tells how much of it is rotated
    init(
        _ reader: ConfigurationReader, width: Int, maximumLength: Int, defaultTheta: Double,
        defaultPart: Double = 1
    ) throws(FileError) {
        // No `??` with a throwing right side: it loses the type of the error.
        var parameters = try reader.object("rope_scaling")
        if parameters == nil { parameters = try reader.object("rope_parameters") }
        let theta = try reader.double("rope_theta", default: defaultTheta)
        let part = try reader.double("partial_rotary_factor", default: defaultPart)
        try self.init(
            parameters, outer: reader, width: width, maximumLength: maximumLength,
            defaults: (theta: theta, part: part))
    }

    /// - parameters: the object with the scaling, where there is one
    /// - outer: the whole configuration
    init(
        _ parameters: ConfigurationReader?, outer: ConfigurationReader, width: Int,
        maximumLength: Int, defaults: (theta: Double, part: Double)
    ) throws(FileError) {
        var (theta, part) = defaults
        if let parameters {
            theta = try parameters.double("rope_theta", default: theta)
            part = try parameters.double("partial_rotary_factor", default: part)
        }
        guard part > 0, part <= 1 else {
            throw FileError(outer.path, "partial_rotary_factor is \(part)")
        }
        let rotated = Int(Double(width) * part)
        guard theta > 1, rotated > 0, rotated.isMultiple(of: 2) else {
            throw FileError(outer.path, "rotary base \(theta) with head width \(width)")
        }
        self.init(width: rotated, theta: theta)
        guard let parameters else { return }
        scaling = try Self.scaling(
            parameters, outer: outer, width: rotated, maximumLength: maximumLength)
        if case .dynamic = scaling, rotated == 2 {
            throw FileError(outer.path, "dynamic rotary scaling needs heads wider than 2")
        }
    }

    private static func scaling(
        _ reader: ConfigurationReader, outer: ConfigurationReader, width: Int, maximumLength: Int
    ) throws(FileError) -> Scaling? {
        let older = try reader.string("type") ?? "default"
        let kind = try reader.string("rope_type") ?? older
        if kind == "default" { return nil }
        let factor = try reader.double("factor", default: 1)
        guard factor > 0 else {
            throw reader.unsupported("factor", "\(factor)", allowed: "positive ones")
        }
        let trained = try reader.size(
            "original_max_position_embeddings", upTo: ConfigurationReader.Limit.length,
            default: maximumLength)
        switch kind {
        case "linear": return .linear(factor: factor)
        case "dynamic": return .dynamic(factor: factor, trainedLength: maximumLength)
        case "llama3":
            let low = try reader.double("low_freq_factor", default: 1)
            let high = try reader.double("high_freq_factor", default: 4)
            guard low > 0, high > low else {
                throw reader.unsupported(
                    "high_freq_factor", "\(high)", allowed: "more than low_freq_factor")
            }
            return .llama3(
                factor: factor, lowFrequency: low, highFrequency: high, trainedLength: trained)
        case "yarn":
            return .yarn(try YaRN(reader, trainedLength: trained, maximumLength: maximumLength))
        // Its first name was "su".
        case "longrope", "su":
            return .longRope(
                try LongRoPE(reader, outer: outer, width: width, maximumLength: maximumLength))
        default:
            throw reader.unsupported(
                "rope_type", kind, allowed: "default, linear, dynamic, llama3, yarn and longrope")
        }
    }
}

extension RotaryConfiguration.YaRN {
    fileprivate init(
        _ reader: ConfigurationReader, trainedLength: Int, maximumLength: Int
    ) throws(FileError) {
        let stretch = Double(maximumLength) / Double(trainedLength)
        factor = try reader.double("factor", default: stretch)
        self.trainedLength = trainedLength
        betaFast = try reader.double("beta_fast", default: 32)
        betaSlow = try reader.double("beta_slow", default: 1)
        guard betaFast > 0, betaSlow > 0 else {
            throw reader.unsupported(
                "beta_fast, beta_slow", "\(betaFast), \(betaSlow)", allowed: "positive ones")
        }
        truncates = try reader.bool("truncate", default: true)
        if reader.value("attention_factor") != nil {
            attentionFactor = try reader.double("attention_factor", default: 1)
        } else if factor > 1 {
            let scale = try reader.double("mscale", default: 0)
            let allDimensions = try reader.double("mscale_all_dim", default: 0)
            guard scale != 0, allDimensions != 0 else { return }
            let growth = 0.1 * log(factor)
            attentionFactor = (growth * scale + 1) / (growth * allDimensions + 1)
        }
    }
}

extension RotaryConfiguration.LongRoPE {
    fileprivate init(
        _ reader: ConfigurationReader, outer: ConfigurationReader, width: Int, maximumLength: Int
    ) throws(FileError) {
        let key = "original_max_position_embeddings"
        let length = try outer.size(
            key, upTo: ConfigurationReader.Limit.length, default: maximumLength)
        trainedLength = try reader.size(
            key, upTo: ConfigurationReader.Limit.length, default: length)
        short = try reader.divisors("short_factor", count: width / 2)
        long = try reader.divisors("long_factor", count: width / 2)
        let stretch = Double(maximumLength) / Double(trainedLength)
        let factor = try reader.double("factor", default: stretch)
        // Section 3.3: scores keep their spread over more tokens.
        let growth = factor <= 1 ? 0 : log(factor) / log(Double(max(trainedLength, 2)))
        attentionFactor = try reader.double("attention_factor", default: (1 + growth).squareRoot())
    }
}

extension ConfigurationReader {
    fileprivate func divisors(_ key: String, count: Int) throws(FileError) -> [Double] {
        guard let value = value(key) else { throw missing(key) }
        let numbers = (value.arrayValue ?? []).compactMap(\.doubleValue).filter { $0 > 0 }
        guard numbers.count == count, value.arrayValue?.count == count else {
            throw FileError(path, "\(key) should be a list of \(count) positive numbers")
        }
        return numbers
    }
}

/// Cosines and sines for the positions of one forward pass, each `[batch or 1, 1, length, width]`.
public struct RotaryTables {
    public let cosines: Tensor
    public let sines: Tensor

    /// - positions: `[batch or 1, length]`, integers on the model's device
    /// - longest: the length that the dynamic scaling goes by
    init(_ configuration: RotaryConfiguration, positions: Tensor, longest: Int, dtype: DType) {
        let frequencies = Tensor(configuration.frequencies(length: longest).map(Float.init))
            .to(device: positions.device)
        let half = positions.to(.float32).unsqueeze(-1) * frequencies
        let angles = Tensor.concatenate([half, half], dim: -1).unsqueeze(1)
        // The host's kernel computes in fp32 whatever the queries' dtype; others compute in theirs.
        let precision = positions.device == .cpu ? .float32 : dtype
        cosines = (angles.cos() * configuration.amplitude).to(precision)
        sines = (angles.sin() * configuration.amplitude).to(precision)
    }

    /// Rotates queries or keys `[batch, heads, length, width]`; component i pairs with i + width /
    /// 2.
    func rotate(_ x: Tensor) -> Tensor { x.rotated(cosines: cosines, sines: sines) }
}
