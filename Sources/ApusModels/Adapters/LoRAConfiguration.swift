public import ApusBase
internal import ApusFormats

/// What PEFT's `LoraConfig` says, as far as it has a meaning here.
///
/// The defaults are PEFT's.
public struct LoRAConfiguration: Sendable, Hashable {
    /// Which layers get an update, or are kept from it.
    public enum Modules: Sendable, Hashable {
        /// Layers of this name or whose path ends in it after a dot.
        case named([String])
        /// A regular expression that the whole path matches.
        case matching(String)
        /// Every linear layer but the output head.
        case allLinear
    }

    public enum TrainedBiases: String, Sendable, Hashable, CaseIterable {
        case none, all
        /// Those of layers with an update.
        case loraOnly = "lora_only"
    }

    public enum Initialization: Sendable, Hashable {
        /// The first factor uniform, the second zero (`true`).
        case standard
        /// Both random (`false`).
        case random
        case gaussian
        case orthogonal
        /// The largest singular vectors of the weight (Meng et al., 2024), which loses them.
        case pissa
        /// The first columns of its QR decomposition (Büyükakyüz, 2024).
        case olora
    }

    /// A number for layers whose path ends in a pattern, after a dot or from its beginning.
    public struct Override<Value: Sendable & Hashable>: Sendable, Hashable {
        public var pattern: String
        public var value: Value

        public init(_ pattern: String, _ value: Value) {
            self.pattern = pattern
            self.value = value
        }
    }

    public var rank = 8
    public var alpha = 8.0
    /// Scale by alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski: "rsLoRA", 2023).
    public var isRankStabilized = false
    public var dropout = 0.0
    /// nil: what is usual for the family.
    public var targets: Modules?
    public var excluded: Modules?
    public var biases = TrainedBiases.none
    /// Modules that are trained and stored whole.
    public var modulesToSave: [String] = []
    public var initialization = Initialization.standard
    /// Only these layers; nil: all. For `named` targets.
    public var layers: [Int]?
    /// What the list of layers is called; empty: whatever a number follows.
    public var layerNames: [String] = []
    public var ranks: [Override<Int>] = []
    public var alphas: [Override<Double>] = []
    /// Liu et al.: "DoRA" (2024).
    public var usesDoRA = false
    /// The second factor has a bias.
    public var hasBias = false
    public var taskType: String? = "CAUSAL_LM"
    public var baseModel: String?

    public init() {}
}

// MARK: - adapter_config.json

extension LoRAConfiguration {
    /// Reads an adapter_config.json. What Apus cannot compute is refused; unknown keys are not, as
    /// PEFT adds some in every version.
    public init(json: JSON, path: String) throws(FileError) {
        let reader = try ConfigurationReader(json, path: path)
        guard try reader.string("peft_type") ?? "LORA" == "LORA" else {
            throw reader.unsupported(
                "peft_type", try reader.string("peft_type") ?? "", allowed: "LORA")
        }
        try Self.refuseUnsupported(reader)
        rank = try reader.size("r", default: 8)
        alpha = try reader.double("lora_alpha", default: 8)
        isRankStabilized = try reader.bool("use_rslora", default: false)
        dropout = try reader.probability("lora_dropout", default: 0)
        targets = try Self.modules("target_modules", reader)
        excluded = try Self.modules("exclude_modules", reader)
        let bias = try reader.string("bias") ?? "none"
        guard let biases = TrainedBiases(rawValue: bias) else {
            throw reader.unsupported("bias", bias, allowed: "none, all and lora_only")
        }
        self.biases = biases
        modulesToSave = try reader.strings("modules_to_save") ?? []
        initialization = try Initialization(reader)
        layers = try reader.integers("layers_to_transform")
        layerNames = try reader.strings("layers_pattern") ?? []
        ranks = try reader.overrides("rank_pattern") { value in
            value.intValue.flatMap { $0 > 0 ? $0 : nil }
        }
        alphas = try reader.overrides("alpha_pattern", \.doubleValue)
        usesDoRA = try reader.bool("use_dora", default: false)
        hasBias = try reader.bool("lora_bias", default: false)
        taskType = try reader.string("task_type")
        baseModel = try reader.string("base_model_name_or_path")
    }

    /// Keys that change what is computed in ways that are not there.
    private static let unsupported = [
        "layer_replication", "trainable_token_indices", "target_parameters", "use_qalora",
        "alora_invocation_tokens", "velora_config", "monteclora_config", "arrow_config",
        "kasa_config", "use_bdlora", "ensure_weight_tying",
    ]

    private static func refuseUnsupported(_ reader: ConfigurationReader) throws(FileError) {
        for key in unsupported {
            guard let value = reader.value(key), value.boolValue != false else { continue }
            if value.arrayValue?.isEmpty ?? value.objectValue?.isEmpty ?? false { continue }
            throw FileError(
                reader.path, "\(key) is \(value.text()), which Apus cannot compute",
                remedy: "merge the adapter with PEFT and use the merged model")
        }
    }

    private static func modules(
        _ key: String, _ reader: ConfigurationReader
    ) throws(FileError) -> Modules? {
        guard let value = reader.value(key) else { return nil }
        if let text = value.stringValue {
            return text.lowercased() == "all-linear" ? .allLinear : .matching(text)
        }
        return try reader.strings(key).map(Modules.named)
    }

    /// As PEFT writes it: every key of its class, sorted.
    public var json: JSON {
        func list(_ strings: [String]) -> JSON {
            strings.isEmpty ? .null : .array(strings.map { .string($0) })
        }
        var members: [String: JSON] = Self.constant
        members["r"] = .integer(rank)
        members["lora_alpha"] = number(alpha)
        members["use_rslora"] = .bool(isRankStabilized)
        members["lora_dropout"] = .number(dropout)
        members["target_modules"] = targets?.json ?? .null
        members["exclude_modules"] = excluded?.json ?? .null
        members["bias"] = .string(biases.rawValue)
        members["modules_to_save"] = list(modulesToSave)
        members["init_lora_weights"] = initialization.json
        members["layers_to_transform"] = layers.map { .array($0.map { .integer($0) }) } ?? .null
        members["layers_pattern"] = list(layerNames)
        members["rank_pattern"] = pairs(ranks) { .integer($0) }
        members["alpha_pattern"] = pairs(alphas, number)
        members["use_dora"] = .bool(usesDoRA)
        members["lora_bias"] = .bool(hasBias)
        members["task_type"] = taskType.map { .string($0) } ?? .null
        members["base_model_name_or_path"] = baseModel.map { .string($0) } ?? .null
        var object = JSONObject()
        for key in members.keys.sorted() { object[key] = members[key] }
        return .object(object)
    }

    /// What readers of other versions expect to find.
    private static let constant: [String: JSON] = [
        "peft_type": "LORA", "auto_mapping": .null, "revision": .null, "inference_mode": true,
        "fan_in_fan_out": false, "megatron_config": .null, "megatron_core": "megatron.core",
        "loftq_config": [:], "eva_config": .null, "corda_config": .null,
        "layer_replication": .null, "trainable_token_indices": .null, "target_parameters": .null,
        "use_qalora": false, "qalora_group_size": 16, "alora_invocation_tokens": .null,
        "arrow_config": .null, "ensure_weight_tying": false,
    ]

    /// A whole number without a point, as Python would have it.
    private func number(_ value: Double) -> JSON {
        Int(exactly: value).map { .integer($0) } ?? .number(value)
    }

    private func pairs<Value>(_ overrides: [Override<Value>], _ json: (Value) -> JSON) -> JSON {
        var object = JSONObject()
        for override in overrides { object[override.pattern] = json(override.value) }
        return .object(object)
    }
}

extension LoRAConfiguration.Modules {
    fileprivate var json: JSON {
        switch self {
        case .named(let names): .array(names.sorted().map { .string($0) })
        case .matching(let pattern): .string(pattern)
        case .allLinear: "all-linear"
        }
    }
}

extension LoRAConfiguration.Initialization {
    /// PEFT's words; nil for one that Apus does not have.
    public init?(word: String) {
        switch word.lowercased() {
        case "true": self = .standard
        case "false": self = .random
        case "gaussian": self = .gaussian
        case "orthogonal": self = .orthogonal
        case "pissa": self = .pissa
        case "olora": self = .olora
        default: return nil
        }
    }

    public static let words = ["true", "false", "gaussian", "orthogonal", "pissa", "olora"]

    fileprivate init(_ reader: ConfigurationReader) throws(FileError) {
        guard let value = reader.value("init_lora_weights") else {
            self = .standard
            return
        }
        let word = value.boolValue.map { "\($0)" } ?? value.stringValue ?? value.text()
        guard let known = Self(word: word) else {
            throw reader.unsupported(
                "init_lora_weights", word, allowed: Self.words.joined(separator: ", "))
        }
        self = known
    }

    fileprivate var json: JSON {
        switch self {
        case .standard: true
        case .random: false
        case .gaussian: "gaussian"
        case .orthogonal: "orthogonal"
        case .pissa: "pissa"
        case .olora: "olora"
        }
    }
}

extension ConfigurationReader {
    /// A string or a list of strings.
    fileprivate func strings(_ key: String) throws(FileError) -> [String]? {
        guard let value = value(key) else { return nil }
        let elements = value.arrayValue ?? [value]
        let texts = elements.compactMap(\.stringValue)
        guard texts.count == elements.count else {
            throw FileError(path, "\(key) should be a string or a list of strings")
        }
        return texts
    }

    fileprivate func integers(_ key: String) throws(FileError) -> [Int]? {
        guard let value = value(key) else { return nil }
        let elements = value.arrayValue ?? [value]
        let numbers = elements.compactMap(\.intValue)
        guard numbers.count == elements.count else {
            throw FileError(path, "\(key) should be an integer or a list of them")
        }
        return numbers.isEmpty ? nil : numbers
    }

    fileprivate func overrides<Value>(
        _ key: String, _ convert: (JSON) -> Value?
    ) throws(FileError) -> [LoRAConfiguration.Override<Value>] {
        guard let value = value(key) else { return [] }
        guard let object = value.objectValue else {
            throw FileError(path, "\(key) should be an object of patterns and numbers")
        }
        var overrides: [LoRAConfiguration.Override<Value>] = []
        for (pattern, json) in object.members {
            guard let number = convert(json) else {
                throw FileError(path, "\(key) gives \(pattern) the value \(json.text())")
            }
            overrides.append(.init(pattern, number))
        }
        return overrides
    }
}
