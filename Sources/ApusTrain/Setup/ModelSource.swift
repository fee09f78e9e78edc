internal import ApusFormats
public import ApusModels
public import ApusTokenizer

/// A recipe's `base_model`, opened: weights or a bare configuration, and the tokenizer that comes
/// with it.
public struct ModelSource {
    public let pretrained: PretrainedModel
    /// nil for a folder without tokenizer files: enough for data that is tokenised already.
    public let tokenizer: Tokenizer?

    public init(path: String, needsWeights: Bool = true) throws {
        pretrained = try PretrainedModel(path: path, needsWeights: needsWeights)
        if path.hasSuffix(".gguf") {
            tokenizer = try Tokenizer(gguf: GGUFFile(path: path))
        } else if FilePaths.isFile(FilePaths.join(path, "tokenizer.json")) {
            tokenizer = try Tokenizer(folder: path)
        } else {
            tokenizer = nil
        }
    }
}
