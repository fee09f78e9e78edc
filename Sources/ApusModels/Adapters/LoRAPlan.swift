public import ApusBase
public import ApusNN

/// Which layers of a model get which update, by a configuration: matched while the model is
/// declared.
///
/// The rules are PEFT's, so that an adapter has the same layers there and here.
public final class LoRAPlan: LayerAdaptation {
    public let configuration: LoRAConfiguration
    private let quantization: WeightQuantization?
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
    /// Parameters of saved modules.
    public private(set) var savedParameters: [String] = []
    private var usedNames: Set<String> = []

    /// - modelType: of config.json, for a configuration without targets
    /// - quantization: how frozen weights of linear layers are held; nil: as they are
    ///
    /// Throws for patterns that are no regular expressions, and where nothing tells the targets.
    public init(
        _ configuration: LoRAConfiguration, modelType: String,
        quantization: WeightQuantization? = nil
    ) throws(AdapterError) {
        self.configuration = configuration
        guard let modules = configuration.targets ?? Self.usualTargets(modelType) else {
            throw AdapterError(
                summary: "nothing tells which layers of a '\(modelType)' model are adapted",
                remedy: "name them (target_modules, lora_target_modules), or ask for all-linear")
        }
        self.modules = modules
        self.quantization = quantization
        targets = try LayerMatcher(modules)
        excluded = try configuration.excluded.map(LayerMatcher.init)
        savedModules = try configuration.modulesToSave.map { name throws(AdapterError) in
            try PathPattern("(^|.*\\.)\(name)($|\\..*)")
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
        let rank = ranks.first { $0.pattern.matches(path) }?.value ?? configuration.rank
        let alpha = alphas.first { $0.pattern.matches(path) }?.value ?? configuration.alpha
        let divisor = configuration.isRankStabilized ? Double(rank).squareRoot() : Double(rank)
        var options = LowRankOptions(rank: rank, scale: alpha / divisor)
        options.dropout = configuration.dropout
        options.hasBias = configuration.hasBias
        options.isWeightDecomposed = configuration.usesDoRA
        options.initialization =
            switch configuration.initialization {
            case .standard: .identity
            case .gaussian: .gaussian
            case .random: .random
            case .orthogonal, .pissa, .olora: kind == .embedding ? .identity : .fromWeight
            }
        adapted.append((path, kind, options))
        return options
    }

    /// All linear layers but routers, which are small and decide much.
    public func quantization(ofLayer path: String, kind: LayerKind) -> WeightQuantization? {
        isSaved(path) || path.hasSuffix(".gate") ? nil : quantization
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
    }

    private func isTarget(_ path: String, _ kind: LayerKind) -> Bool {
        if isSaved(path) || excluded?.matches(path, kind) ?? false { return false }
        guard targets.matches(path, kind) else { return false }
        if let layers, !targets.isPattern, !layers.contain(path) { return false }
        usedNames.formUnion(targets.names.filter { path == $0 || path.hasSuffix(".\($0)") })
        return true
    }

    // MARK: Afterwards

    /// Throws where nothing was adapted, or something that cannot be; returns the names that no
    /// layer has.
    public func check() throws(AdapterError) -> [String] {
        guard !adapted.isEmpty || !savedParameters.isEmpty else {
            throw AdapterError(
                summary: "no layer of the model matches \(targets.description)",
                likelyCause: "names of another model family",
                remedy: "name layers of this model, or ask for all-linear")
        }
        for (path, kind, options) in adapted {
            if kind == .outputHead, options.isWeightDecomposed || options.hasBias {
                throw AdapterError(
                    summary: "the output head \(path) takes plain LoRA only",
                    remedy: "leave it out, or name it in modules_to_save")
            }
            if kind == .embedding, options.hasBias {
                throw AdapterError(summary: "lora_bias does not go with the embedding \(path)")
            }
            if configuration.initialization == .orthogonal, !options.rank.isMultiple(of: 2) {
                throw AdapterError(
                    summary: "an orthogonal beginning needs an even rank, not \(options.rank)")
            }
        }
        return targets.names.filter { !usedNames.contains($0) }
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

/// A regular expression over whole paths.
private struct PathPattern {
    private let expression: Regex<AnyRegexOutput>

    init(_ text: String) throws(AdapterError) {
        do {
            expression = try Regex(text)
        } catch {
            throw AdapterError(summary: "'\(text)' is no regular expression: \(error)")
        }
    }

    func matches(_ path: String) -> Bool { (try? expression.wholeMatch(in: path)) != nil }

    /// The number that the expression's last group caught at the path's beginning.
    func index(in path: String) -> Int? {
        guard let match = try? expression.prefixMatch(in: path),
            let text = match.output.last?.substring
        else { return nil }
        return Int(text)
    }
}

private struct LayerMatcher: CustomStringConvertible {
    private enum Rule {
        case names([String])
        case pattern(PathPattern)
        case linear
    }

    private let rule: Rule
    let description: String

    init(_ modules: LoRAConfiguration.Modules) throws(AdapterError) {
        switch modules {
        case .named(let names):
            rule = .names(names)
            description = names.joined(separator: ", ")
        case .matching(let text):
            rule = .pattern(try PathPattern(text))
            description = "the pattern '\(text)'"
        case .allLinear:
            rule = .linear
            description = "all-linear"
        }
    }

    var names: [String] { if case .names(let names) = rule { names } else { [] } }
    var isPattern: Bool { if case .pattern = rule { true } else { false } }

    func matches(_ path: String, _ kind: LayerKind) -> Bool {
        switch rule {
        case .names(let names): names.contains { path == $0 || path.hasSuffix(".\($0)") }
        case .pattern(let pattern): pattern.matches(path)
        case .linear: kind == .linear || kind == .transposedLinear
        }
    }
}

/// `layers_to_transform`: the first number in a path, after one of some names.
private struct LayerIndices {
    private let indices: Set<Int>
    private let patterns: [PathPattern]

    init(_ indices: [Int], names: [String]) throws(AdapterError) {
        self.indices = Set(indices)
        let texts =
            names.isEmpty
            ? [".*?\\.[^.]*\\.(\\d+)\\."] : names.map { "(?:^|.*?\\.)\($0)\\.(\\d+)\\." }
        patterns = try texts.map { text throws(AdapterError) in try PathPattern(text) }
    }

    func contain(_ path: String) -> Bool {
        let found = patterns.lazy.compactMap { $0.index(in: path) }.first
        return found.map { indices.contains($0) } ?? false
    }
}
