public import ApusBase
public import ApusNN

/// Which layers of a model get which update, by a configuration: matched while the model is
/// declared.
///
/// The rules are PEFT's, so that an adapter has the same layers there and here.
public final class LoRAPlan: LayerAdaptation {
    public let configuration: LoRAConfiguration
    public let tiesUpdates: Bool
    /// Whether data gives the first factors: those of an adapter that is read are there.
    let beginsByData: Bool
    private let quantization: WeightQuantization?
    var isQuantized: Bool { quantization != nil }
    private let modules: LoRAConfiguration.Modules
    private let targets: LayerMatcher
    private let excluded: LayerMatcher?
    private let savedModules: [PathPattern]
    private let layers: LayerIndices?
    private let ranks: [(pattern: PathPattern, value: Int)]
    private let alphas: [(pattern: PathPattern, value: Double)]

    /// The targets as others will understand them: what counts as linear differs between programs.
    public var storedTargets: LoRAConfiguration.Modules {
        modules == .allLinear ? .named(adapted.map(\.path)) : modules
    }

    /// Every layer with its update, in the order of declaration.
    public private(set) var adapted: [(path: String, kind: LayerKind, options: LowRankOptions)] = []
    /// Joined matrices of experts with an update.
    public private(set) var experts: [(parameter: String, options: LowRankOptions)] = []
    /// Parameters of saved modules.
    public private(set) var savedParameters: [String] = []
    private var usedNames: Set<String> = []

    /// - modelType: of config.json, for a configuration without targets
    /// - quantization: how frozen weights of linear layers are held; nil: as they are
    /// - isTied: the model's head is its embedding
    /// - isNew: the adapter is not read from a folder
    ///
    /// Throws for patterns that are no regular expressions, and where nothing tells the targets.
    public init(
        _ configuration: LoRAConfiguration, modelType: String,
        quantization: WeightQuantization? = nil, isTied: Bool = false, isNew: Bool = true
    ) throws(AdapterError) {
        self.configuration = configuration
        beginsByData = isNew && configuration.initialization.needsData
        tiesUpdates = isTied && configuration.tiesWeights
        let usual = Self.usualTargets(modelType)
        let none = configuration.parameters.isEmpty ? nil : LoRAConfiguration.Modules.named([])
        guard let modules = configuration.targets ?? usual ?? none else {
            throw AdapterError(
                summary: "nothing tells which layers of a '\(modelType)' model are adapted",
                remedy: "name them (target_modules, lora_target_modules), or ask for all-linear")
        }
        self.modules = modules
        self.quantization = quantization
        targets = try LayerMatcher(modules)
        excluded = try configuration.excluded.map(LayerMatcher.init)
        savedModules = try configuration.modulesToSave.map { name throws(AdapterError) in
            // PEFT takes every module whose name ends so: `norm` means `input_layernorm` too.
            try PathPattern(".*\(name)($|\\..*)")
        }
        layers = try configuration.layers.map { indices throws(AdapterError) in
            try LayerIndices(indices, names: configuration.layerNames)
        }
        ranks = try configuration.ranks.map { entry throws(AdapterError) in
            (try PathPattern("(.*\\.)?(\(entry.pattern))"), entry.value)
        }
        alphas = try configuration.alphas.map { entry throws(AdapterError) in
            (try PathPattern("(.*\\.)?(\(entry.pattern))"), entry.value)
        }
    }

    private static func usualTargets(_ modelType: String) -> LoRAConfiguration.Modules? {
        switch modelType {
        case "gpt2": .named(["c_attn"])
        case "gpt_neox": .named(["query_key_value"])
        case "phi3": .named(["qkv_proj"])
        case "bert", "roberta", "xlm-roberta": .named(["query", "value"])
        case "distilbert": .named(["q_lin", "v_lin"])
        case _ where ModelFamily.modelTypes.contains(modelType): .named(["q_proj", "v_proj"])
        default: nil
        }
    }

    // MARK: While the model is declared

    public func update(forLayer path: String, kind: LayerKind) -> LowRankOptions? {
        guard isTarget(path, kind) else { return nil }
        var options = options(path)
        options.dropout = configuration.dropout
        options.hasBias = configuration.hasBias
        options.isWeightDecomposed = configuration.usesDoRA
        options.trainsUp = configuration.initialization != .mica
        options.initialization =
            switch configuration.initialization {
            case .standard: .identity
            case .gaussian: .gaussian
            case .random: .random
            case .mica: .fromWeight
            case .orthogonal, .pissa, .fastPissa, .olora, .loftQ, .eva, .corda, .loraGA:
                kind == .embedding ? .identity : .fromWeight
            }
        options.keepsStart = beginsByData && changesWeights && kind != .embedding
        adapted.append((path, kind, options))
        return options
    }

    public func update(ofExperts parameter: String) -> LowRankOptions? {
        let names = configuration.parameters.filter { Self.ends(parameter, in: $0) }
        guard !names.isEmpty else { return nil }
        usedNames.formUnion(names)
        var options = options(parameter)
        switch configuration.initialization {
        case .gaussian: options.initialization = .gaussian
        case .random: options.initialization = .random
        default: break
        }
        experts.append((parameter, options))
        return options
    }

    /// Whether frozen weights have lost what the first factors are.
    var changesWeights: Bool {
        let initialization = configuration.initialization
        return initialization.changesWeight && (beginsByData || !initialization.needsData)
    }

    /// Rank and scale of what is at a path.
    private func options(_ path: String) -> LowRankOptions {
        let rank = ranks.first { $0.pattern.matches(path) }?.value ?? configuration.rank
        let divisor = configuration.isRankStabilized ? Double(rank).squareRoot() : Double(rank)
        return LowRankOptions(rank: rank, scale: alpha(path) / divisor)
    }

    package func alpha(_ path: String) -> Double {
        alphas.first { $0.pattern.matches(path) }?.value ?? configuration.alpha
    }

    /// All linear layers but routers, which are small and decide much.
    public func quantization(ofLayer path: String, kind: LayerKind) -> WeightQuantization? {
        isSaved(path) || path.hasSuffix(".gate") ? nil : quantization
    }

    public func trainedRows(ofTable path: String) -> [Int]? {
        configuration.tokenRows.first { rows in
            (rows.table.map { [$0] } ?? Self.tokenEmbeddings).contains { Self.ends(path, in: $0) }
        }?.indices
    }

    /// What families call the embedding of tokens.
    static let tokenEmbeddings = ["embed_tokens", "wte", "embed_in", "word_embeddings"]

    /// Whether a path is a name, or ends in it after a dot.
    static func ends(_ path: String, in name: String) -> Bool {
        path == name || path.hasSuffix(".\(name)")
    }

    public func trains(_ parameter: String) -> Bool {
        let module = parameter.split(separator: ".").dropLast().joined(separator: ".")
        if isSaved(module) {
            savedParameters.append(parameter)
            return true
        }
        guard parameter.hasSuffix(".bias") else { return false }
        switch configuration.biases {
        case .none: return false
        case .all: return true
        // A layer declares its update before its bias.
        case .loraOnly: return adapted.contains { $0.path == module }
        }
    }

    private func isSaved(_ module: String) -> Bool {
        savedModules.contains { $0.matches(module) }
            || isTiedTo(savedModules, module) { pattern, head in pattern.matches(head) }
    }

    /// Whether a module is an embedding that is meant where its head is named.
    private func isTiedTo<Names: Collection>(
        _ names: Names, _ module: String, _ mean: (Names.Element, String) -> Bool
    ) -> Bool {
        tiesUpdates && Self.tokenEmbeddings.contains { Self.ends(module, in: $0) }
            && names.contains { name in Self.heads.contains { mean(name, $0) } }
    }

    static let heads = ["lm_head", "embed_out"]

    private func isTarget(_ path: String, _ kind: LayerKind) -> Bool {
        if isSaved(path) || excluded?.matches(path, kind) ?? false { return false }
        let isNamedByHead = isTiedTo(targets.names, path) { name, head in name == head }
        guard targets.matches(path, kind) || isNamedByHead else { return false }
        if isNamedByHead { usedNames.formUnion(Self.heads) }
        if let layers, !targets.isPattern, !layers.contain(path) { return false }
        usedNames.formUnion(targets.names.filter { Self.ends(path, in: $0) })
        return true
    }

    // MARK: Afterwards

    /// What PEFT stores twice where the head is the embedding.
    struct TiedCopy {
        let name: String
        let source: String
        let isTransposed: Bool
    }

    var tiedCopies: [TiedCopy] {
        guard tiesUpdates else { return [] }
        let head = "lm_head"
        var copies: [TiedCopy] = []
        for layer in adapted where layer.kind == .embedding {
            for (own, other) in [("A", "B"), ("B", "A")] {
                copies.append(
                    TiedCopy(
                        name: "\(head).lora_\(own).weight",
                        source: "\(layer.path).lora_embedding_\(other)", isTransposed: true))
            }
        }
        let tables = Self.tokenEmbeddings.map { "\($0).weight" }
        for parameter in savedParameters where tables.contains(where: { parameter.hasSuffix($0) }) {
            copies.append(
                TiedCopy(name: "\(head).weight", source: parameter, isTransposed: false))
        }
        return copies
    }

    /// Throws where nothing was adapted, or something that cannot be; returns the names that no
    /// layer has.
    public func check() throws(AdapterError) -> [String] {
        guard !adapted.isEmpty || !experts.isEmpty || !savedParameters.isEmpty else {
            throw AdapterError(
                summary: "no layer of the model matches \(targets.description)",
                likelyCause: "names of another model family",
                remedy: "name layers of this model, or ask for all-linear")
        }
        try checkExperts()
        if beginsByData, adapted.allSatisfy({ $0.kind == .embedding }) {
            throw AdapterError(
                summary: "'\(configuration.initialization.word)' begins linear layers, and none is "
                    + "adapted",
                remedy: "name some, or choose another beginning")
        }
        for (path, kind, options) in adapted {
            if kind == .embedding, tiesUpdates, options.isWeightDecomposed {
                throw AdapterError(summary: "ensure_weight_tying does not go with DoRA of \(path)")
            }
            if options.isWeightDecomposed, options.hasBias {
                throw AdapterError(summary: "lora_bias does not go with DoRA")
            }
            if beginsByData, options.hasBias {
                throw AdapterError(
                    summary: "lora_bias does not go with "
                        + "init_lora_weights: \(configuration.initialization.word)")
            }
            if trainedRows(ofTable: path) != nil {
                throw AdapterError(
                    summary: "\(path) has rows that are trained alone, and gets an update too",
                    remedy: "leave it out of one of both")
            }
            if kind == .embedding, options.hasBias {
                throw AdapterError(summary: "lora_bias does not go with the embedding \(path)")
            }
            if configuration.initialization == .orthogonal, !options.rank.isMultiple(of: 2) {
                throw AdapterError(
                    summary: "an orthogonal beginning needs an even rank, not \(options.rank)")
            }
        }
        let saved = savedParameters.map {
            $0.split(separator: ".").dropLast().joined(separator: ".")
        }
        let unsaved = zip(configuration.modulesToSave, savedModules).filter { name, pattern in
            !saved.contains { pattern.matches($0) }
        }
        let paths = adapted.map(\.path) + experts.map(\.parameter)
        let names = (configuration.ranks.map(\.pattern), configuration.alphas.map(\.pattern))
        let patterns = (ranks.map(\.pattern), alphas.map(\.pattern))
        let pairs = zip(names.0 + names.1, patterns.0 + patterns.1)
        let unused = pairs.filter { _, pattern in !paths.contains { pattern.matches($0) } }
        let untouched = (targets.names + configuration.parameters).filter {
            !usedNames.contains($0)
        }
        return untouched + unsaved.map(\.0) + unused.map(\.0)
    }

    /// What PEFT refuses beside `target_parameters` too.
    private func checkExperts() throws(AdapterError) {
        guard !experts.isEmpty else { return }
        let c = configuration
        let isComputed = c.initialization.needsData ? beginsByData : c.initialization.isComputed
        let others = [
            (c.dropout > 0, "lora_dropout"), (c.usesDoRA, "use_dora"), (c.hasBias, "lora_bias"),
            (isComputed, "init_lora_weights: \(c.initialization.word)"),
        ]
        if let other = others.first(where: \.0)?.1 {
            throw AdapterError(
                summary: "\(other) does not go with target_parameters", remedy: "leave one out")
        }
    }
}

/// Why an adapter does not fit a model, or cannot be.
public struct AdapterError: OperationalError {
    public let summary: String
    public var likelyCause: String?
    public var remedy: String?

    public init(summary: String, likelyCause: String? = nil, remedy: String? = nil) {
        self.summary = summary
        self.likelyCause = likelyCause
        self.remedy = remedy
    }
}
