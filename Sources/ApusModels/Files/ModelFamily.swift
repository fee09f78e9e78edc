public import ApusBase
public import ApusNN

/// The kinds of models that Apus computes, by the `model_type` of config.json.
public enum ModelFamily: Sendable, Hashable {
    case llama(LlamaConfiguration)
    case gpt2(GPT2Configuration)
    case gptNeoX(GPTNeoXConfiguration)
    case gemma(GemmaConfiguration)
    case olmo2(OLMo2Configuration)
    case phi3(Phi3Configuration)
    case mixture(MixtureConfiguration)
    case bert(BERTConfiguration)

    public static let modelTypes =
        (["gpt2", "gpt_neox", "olmo2", "phi3"] + LlamaConfiguration.modelTypes
        + GemmaConfiguration.modelTypes + MixtureConfiguration.modelTypes
        + BERTConfiguration.modelTypes).sorted()

    /// Reads a config.json. Throws for a kind that is not known and for whatever could not be
    /// computed as the file demands.
    public init(configuration: JSON, path: String) throws(FileError) {
        let reader = try ConfigurationReader(configuration, path: path)
        guard let type = try reader.string("model_type") else { throw reader.missing("model_type") }
        switch type {
        case "gpt2": self = .gpt2(try GPT2Configuration(reader))
        case "gpt_neox": self = .gptNeoX(try GPTNeoXConfiguration(reader))
        case "olmo2": self = .olmo2(try OLMo2Configuration(reader))
        case "phi3": self = .phi3(try Phi3Configuration(reader))
        case let type where GemmaConfiguration.modelTypes.contains(type):
            self = .gemma(try GemmaConfiguration(reader, modelType: type))
        case let type where BERTConfiguration.modelTypes.contains(type):
            self = .bert(try BERTConfiguration(reader, modelType: type))
        case let type where MixtureConfiguration.modelTypes.contains(type):
            self = .mixture(try MixtureConfiguration(reader, modelType: type))
        case let type where LlamaConfiguration.modelTypes.contains(type):
            self = .llama(try LlamaConfiguration(reader, modelType: type))
        default:
            throw reader.unsupported(
                "model_type", type, allowed: Self.modelTypes.joined(separator: ", "))
        }
    }

    /// Declares the model's parameters in a store; memory comes later.
    ///
    /// - hasHead: false where another head stands on the hidden states
    public func makeModel(
        in store: ParameterStore = ParameterStore(), hasHead: Bool = true
    ) -> any LanguageModel {
        switch self {
        case .llama(let configuration): Llama(configuration, store: store, hasHead: hasHead)
        case .gpt2(let configuration): GPT2(configuration, store: store, hasHead: hasHead)
        case .gptNeoX(let configuration): configuration.makeModel(in: store, hasHead: hasHead)
        case .gemma(let configuration): configuration.makeModel(in: store, hasHead: hasHead)
        case .olmo2(let configuration): configuration.makeModel(in: store, hasHead: hasHead)
        case .phi3(let configuration): configuration.makeModel(in: store, hasHead: hasHead)
        case .mixture(let configuration): configuration.makeModel(in: store, hasHead: hasHead)
        case .bert(let configuration): BERT(configuration, store: store, hasHead: hasHead)
        }
    }
}
