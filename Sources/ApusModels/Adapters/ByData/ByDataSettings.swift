internal import ApusBase
internal import ApusFormats

extension LoRAConfiguration {
    /// Paischer et al.: "EVA" (2024): the first factors are the directions in which the layers'
    /// inputs vary most, and the layers share out the ranks by how much is explained so.
    public struct EVA: Sendable, Hashable {
        /// A layer gets at most this times its rank; 1: the ranks stay where they are.
        public var rho = 2.0
        /// A direction has settled when its cosine with the one of the batch before is as much.
        public var tau = 0.99
        /// Only tokens that are trained count.
        public var usesLabelMask = true
        /// Labels that do not count; Apus' is -100.
        public var labelMaskValue = -100
        /// The directions are divided by the roots of their singular values.
        public var whitens = false
        /// Alphas follow the ranks, so that the scale of no layer changes.
        public var adjustsScale = true

        public init() {}
    }

    /// Yang et al.: "CorDA" (2024): the factors are taken out of the weight along the singular
    /// vectors of its product with the inputs' covariance.
    public struct CorDA: Sendable, Hashable {
        public enum Method: String, Sendable, Hashable, CaseIterable {
            /// The largest ones, which the task uses most.
            case ipm
            /// The smallest ones: what the sampled data needs stays as it is.
            case kpm
        }

        public var method = Method.ipm
        /// Covariances are added up in the model's precision instead of fp32.
        public var isNarrow = false

        public init() {}
    }

    /// Wang et al.: "LoRA-GA" (2024): the factors begin along the singular vectors of the weight's
    /// gradient.
    public struct LoRAGA: Sendable, Hashable {
        /// Which of the first 2 rank singular vectors each factor gets.
        public enum Direction: String, Sendable, Hashable, CaseIterable {
            /// By turns, the second factor first.
            case alternating = "ArBr"
            /// The second factor gets the largest ones.
            case largestUp = "A2rBr"
            /// The first factor gets the largest ones.
            case largestDown = "ArB2r"
            /// Both the same random ones.
            case random
        }

        public enum Scale: String, Sendable, Hashable, CaseIterable {
            /// By the fourth root of the outputs over the root of ``stableGamma``.
            case stable
            /// The second factor becomes as large as the weight.
            case weight = "weight_svd"
            /// Both factors are divided by the update's scale.
            case descent = "gd_scale"
            case unit
        }

        public var direction = Direction.largestDown
        public var scale = Scale.stable
        public var stableGamma = 16.0

        public init() {}
    }
}

// MARK: - adapter_config.json

extension LoRAConfiguration.EVA {
    init(_ reader: ConfigurationReader) throws(FileError) {
        guard let object = try reader.object("eva_config") else { return }
        rho = try object.double("rho", default: rho)
        tau = try object.double("tau", default: tau)
        usesLabelMask = try object.bool("use_label_mask", default: usesLabelMask)
        labelMaskValue = try object.int("label_mask_value") ?? labelMaskValue
        whitens = try object.bool("whiten", default: whitens)
        adjustsScale = try object.bool("adjust_scaling_factors", default: adjustsScale)
        guard rho >= 1 else { throw object.unsupported("rho", "\(rho)", allowed: "1 and more") }
        guard 0...1 ~= tau else { throw object.unsupported("tau", "\(tau)", allowed: "0 to 1") }
    }

    var json: JSON {
        [
            "rho": .number(rho), "tau": .number(tau), "use_label_mask": .bool(usesLabelMask),
            "label_mask_value": .integer(labelMaskValue), "whiten": .bool(whitens),
            "adjust_scaling_factors": .bool(adjustsScale),
        ]
    }
}

extension LoRAConfiguration.CorDA {
    init(_ reader: ConfigurationReader) throws(FileError) {
        guard let object = try reader.object("corda_config") else { return }
        method = try object.choice("corda_method", default: method)
        isNarrow = try object.bool("use_float16_for_covariance", default: isNarrow)
    }

    var json: JSON {
        ["corda_method": .string(method.rawValue), "use_float16_for_covariance": .bool(isNarrow)]
    }
}

extension LoRAConfiguration.LoRAGA {
    init(_ reader: ConfigurationReader) throws(FileError) {
        guard let object = try reader.object("lora_ga_config") else { return }
        direction = try object.choice("direction", default: direction)
        scale = try object.choice("scale", default: scale)
        stableGamma = try object.double("stable_gamma", default: stableGamma)
        guard stableGamma > 0 else {
            throw object.unsupported("stable_gamma", "\(stableGamma)", allowed: "more than 0")
        }
    }

    var json: JSON {
        [
            "direction": .string(direction.rawValue), "scale": .string(scale.rawValue),
            "stable_gamma": .wholeNumber(stableGamma),
        ]
    }
}

extension ConfigurationReader {
    fileprivate func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, default fallback: Choice
    ) throws(FileError) -> Choice {
        guard let word = try string(key) else { return fallback }
        guard let choice = Choice(rawValue: word) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw unsupported(key, word, allowed: words)
        }
        return choice
    }
}
