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
        /// The same vectors about, by so many iterations on a subspace.
        case fastPissa(iterations: Int)
        /// The first columns of its QR decomposition (Büyükakyüz, 2024).
        case olora
        /// What is lost when the weight is quantised (Li et al., 2023), and it is quantised.
        case loftQ
        /// The first factor zero, the second the smallest left singular vectors, which stay.
        case mica
        /// By data: ``EVA``, ``CorDA``, ``LoRAGA``.
        case eva, corda, loraGA
    }

    /// Rows of a table that are trained while the others are not.
    public struct TokenRows: Sendable, Hashable {
        /// The table's name or the end of its path; nil: the embedding of tokens.
        public var table: String?
        public var indices: [Int]

        public init(_ indices: [Int], of table: String? = nil) {
            self.indices = indices
            self.table = table
        }
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
    /// Joined matrices of experts that get updates, by the ends of their paths:
    /// `mlp.experts.gate_up_proj`.
    public var parameters: [String] = []
    /// Ranges of the model's layers that stand after one another in the adapted one; empty: as they
    /// are.
    public var layerRanges: [Range<Int>] = []
    public var biases = TrainedBiases.none
    /// Modules that are trained and stored whole.
    public var modulesToSave: [String] = []
    public var initialization = Initialization.standard
    public var loftQ = LoftQ()
    public var eva = EVA()
    public var corda = CorDA()
    public var loraGA = LoRAGA()
    public var tokenRows: [TokenRows] = []
    /// Where the head is the embedding, what is trained of one is trained of the other.
    public var tiesWeights = false
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
        parameters = try reader.strings("target_parameters") ?? []
        layerRanges = try reader.layerRanges("layer_replication")
        let bias = try reader.string("bias") ?? "none"
        guard let biases = TrainedBiases(rawValue: bias) else {
            throw reader.unsupported("bias", bias, allowed: "none, all and lora_only")
        }
        self.biases = biases
        modulesToSave = try reader.strings("modules_to_save") ?? []
        initialization = try Initialization(reader)
        loftQ = try LoftQ(reader)
        eva = try EVA(reader)
        corda = try CorDA(reader)
        loraGA = try LoRAGA(reader)
        tokenRows = try reader.tokenRows("trainable_token_indices")
        tiesWeights = try reader.bool("ensure_weight_tying", default: false)
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
        "use_qalora", "alora_invocation_tokens", "velora_config", "monteclora_config",
        "arrow_config", "kasa_config", "use_bdlora",
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
        members["lora_alpha"] = .wholeNumber(alpha)
        members["use_rslora"] = .bool(isRankStabilized)
        members["lora_dropout"] = .number(dropout)
        members["target_modules"] = targets?.json ?? .null
        members["exclude_modules"] = excluded?.json ?? .null
        members["target_parameters"] = list(parameters)
        members["layer_replication"] =
            layerRanges.isEmpty
            ? .null : .array(layerRanges.map { [.integer($0.lowerBound), .integer($0.upperBound)] })
        members["bias"] = .string(biases.rawValue)
        members["modules_to_save"] = list(modulesToSave)
        members["init_lora_weights"] = initialization.json
        switch initialization {
        case .loftQ: members["loftq_config"] = loftQ.json
        case .eva: members["eva_config"] = eva.json
        case .corda: members["corda_config"] = corda.json
        case .loraGA: members["lora_ga_config"] = loraGA.json
        default: break
        }
        members["trainable_token_indices"] = tokenRows.json
        members["ensure_weight_tying"] = .bool(tiesWeights)
        members["layers_to_transform"] = layers.map { .array($0.map { .integer($0) }) } ?? .null
        members["layers_pattern"] = list(layerNames)
        members["rank_pattern"] = pairs(ranks) { .integer($0) }
        members["alpha_pattern"] = pairs(alphas, JSON.wholeNumber)
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
        "use_qalora": false, "qalora_group_size": 16, "alora_invocation_tokens": .null,
        "arrow_config": .null,
    ]

    private func pairs<Value>(_ overrides: [Override<Value>], _ json: (Value) -> JSON) -> JSON {
        var object = JSONObject()
        for override in overrides { object[override.pattern] = json(override.value) }
        return .object(object)
    }
}

extension JSON {
    /// A whole number without a point, as Python would have it.
    static func wholeNumber(_ value: Double) -> JSON {
        Int(exactly: value).map { .integer($0) } ?? .number(value)
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
