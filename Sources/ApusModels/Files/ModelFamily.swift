public import ApusBase
public import ApusNN

/// The kinds of models that Apus computes, by the `model_type` of config.json.
public enum ModelFamily: Sendable, Hashable {
    case llama(LlamaConfiguration)
    case gpt2(GPT2Configuration)

    public static let modelTypes = (LlamaConfiguration.modelTypes + ["gpt2"]).sorted()

    /// Reads a config.json. Throws for a kind that is not known and for whatever could not be
    /// computed as the file demands.
    public init(configuration: JSON, path: String) throws(FileError) {
        let reader = try ConfigurationReader(configuration, path: path)
        guard let type = try reader.string("model_type") else { throw reader.missing("model_type") }
        switch type {
        case "gpt2": self = .gpt2(try GPT2Configuration(reader))
        case let type where LlamaConfiguration.modelTypes.contains(type):
            self = .llama(try LlamaConfiguration(reader, modelType: type))
        default:
            throw reader.unsupported(
                "model_type", type, allowed: Self.modelTypes.joined(separator: ", "))
        }
    }

    /// Declares the model's parameters in a store; memory comes later.
    public func makeModel(in store: ParameterStore = ParameterStore()) -> any LanguageModel {
        switch self {
        case .llama(let configuration): Llama(configuration, store: store)
        case .gpt2(let configuration): GPT2(configuration, store: store)
        }
    }
}
