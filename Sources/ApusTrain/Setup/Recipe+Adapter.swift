public import ApusConfig
public import ApusModels
public import ApusNN

/// From the words of a recipe to an adapter.
extension Recipe {
    /// How frozen linear layers are held; nil: in the compute dtype.
    public var quantization: WeightQuantization? {
        if adapter.loadIn8Bit { return .int8 }
        guard adapter.loadIn4Bit else { return nil }
        return .nf4(doubleQuantized: adapter.quantization.usesDoubleQuantization)
    }

    /// nil: one learning rate for all.
    public var loraPlus: LoRAPlus? {
        adapter.plusRatio.map { LoRAPlus(ratio: $0, embeddingRate: adapter.plusEmbeddingRate) }
    }

    /// nil: all weights are trained.
    public var loraConfiguration: LoRAConfiguration? {
        guard adapter.kind != nil else { return nil }
        var configuration = LoRAConfiguration()
        configuration.rank = adapter.rank ?? configuration.rank
        configuration.alpha = adapter.alpha ?? configuration.alpha
        configuration.dropout = adapter.dropout
        configuration.isRankStabilized = adapter.usesRankStabilizedScale
        configuration.usesDoRA = adapter.usesDoRA
        configuration.targets =
            adapter.targetLinear ? .allLinear : Self.modules(adapter.targetModules)
        configuration.excluded = Self.modules(adapter.excludeModules)
        configuration.tiesWeights = adapter.tiesWeights
        configuration.parameters = adapter.targetParameters
        configuration.layerRanges = adapter.layerReplication.map { $0[0]..<$0[1] }
        configuration.modulesToSave = adapter.modulesToSave
        configuration.layers = adapter.layersToTransform.isEmpty ? nil : adapter.layersToTransform
        configuration.ranks = adapter.rankPattern.sorted { $0.key < $1.key }.map {
            .init($0.key, $0.value)
        }
        configuration.alphas = adapter.alphaPattern.sorted { $0.key < $1.key }.map {
            .init($0.key, $0.value)
        }
        configuration.biases = .init(rawValue: adapter.biases.rawValue) ?? .none
        configuration.initialization =
            .init(word: adapter.initialization.rawValue) ?? .standard
        if let bits = adapter.peft.loftQ.bits {
            configuration.initialization = .loftQ
            configuration.loftQ.bits = bits == .eight ? 8 : 4
        }
        configuration.loftQ.iterations = adapter.peft.loftQ.iterations
        configuration.eva = adapter.peft.eva.configuration
        configuration.corda = adapter.peft.corda.configuration
        configuration.loraGA = adapter.peft.loraGA.configuration
        configuration.tokenRows =
            switch adapter.trainedRows {
            case .tokens(let rows): rows.isEmpty ? [] : [.init(rows)]
            case .tables(let tables):
                tables.sorted { $0.key < $1.key }.map { .init($0.value, of: $0.key) }
            }
        return configuration
    }

    /// One entry with signs that no name has is an expression; `all-linear` is what PEFT calls all.
    private static func modules(_ entries: [String]) -> LoRAConfiguration.Modules? {
        guard let first = entries.first else { return nil }
        guard entries.count == 1 else { return .named(entries) }
        if first.lowercased() == "all-linear" { return .allLinear }
        return first.contains { "*()[]|\\^$+?".contains($0) } ? .matching(first) : .named([first])
    }
}

extension EVASettings {
    fileprivate var configuration: LoRAConfiguration.EVA {
        var eva = LoRAConfiguration.EVA()
        (eva.rho, eva.tau) = (rho, tau)
        eva.usesLabelMask = usesLabelMask
        eva.whitens = whitens
        eva.adjustsScale = adjustsScale
        return eva
    }
}

extension CorDASettings {
    fileprivate var configuration: LoRAConfiguration.CorDA {
        var corda = LoRAConfiguration.CorDA()
        corda.method = method == .kpm ? .kpm : .ipm
        corda.isNarrow = isNarrow
        return corda
    }
}

extension LoRAGASettings {
    fileprivate var configuration: LoRAConfiguration.LoRAGA {
        var loraGA = LoRAConfiguration.LoRAGA()
        loraGA.direction = .init(rawValue: direction.rawValue) ?? loraGA.direction
        loraGA.scale = .init(rawValue: scale.rawValue) ?? loraGA.scale
        loraGA.stableGamma = stableGamma
        return loraGA
    }
}
