public import ApusBase
internal import ApusFormats
public import ApusNN
public import ApusTensor

/// One vector for each sequence, from the hidden states of any model: what sentence-transformers
/// call a pooling, and a normalisation.
public struct TextEmbedder {
    public enum Pooling: Sendable, Hashable {
        /// The mean over the tokens that are no padding.
        case mean
        /// The largest value of each component.
        case maximum
        case firstToken
        /// The last one that is no padding: for decoders.
        case lastToken
    }

    public let model: any LanguageModel
    public var pooling: Pooling
    /// Scales vectors to length one, so that their products are cosines.
    public var normalizes: Bool

    public init(_ model: any LanguageModel, pooling: Pooling, normalizes: Bool) {
        self.model = model
        self.pooling = pooling
        self.normalizes = normalizes
    }

    /// Tokens `[batch, length]` -> `[batch, width]`; padding is told by the context's `keyIsValid`.
    public func callAsFunction(
        _ tokens: Tensor, _ context: SequenceContext = SequenceContext()
    ) -> Tensor {
        let pooled = pool(model.hiddenStates(tokens, context), context)
        guard normalizes else { return pooled }
        return pooled / pooled.norm(-1, keepDims: true).clamp(min: 1e-12)
    }

    private func pool(_ hidden: Tensor, _ context: SequenceContext) -> Tensor {
        let valid = context.keyIsValid?.unsqueeze(-1)
        switch pooling {
        case .firstToken: return hidden.select(1, 0)
        case .lastToken: return hidden.lastTokens(context)
        case .maximum:
            guard let valid else { return hidden.max(1) }
            let expanded = valid.isEqual(to: 0).expand(hidden.shape)
            return hidden.maskedFill(expanded, -.infinity).max(1)
        case .mean:
            guard let valid = valid?.to(hidden.dtype) else { return hidden.mean(1) }
            return (hidden * valid).sum(1) / valid.sum(1).clamp(min: 1e-9)
        }
    }
}

extension PretrainedModel {
    /// The model without a head, in host memory, with the pooling that the folder asks for
    /// (`1_Pooling/config.json`, `modules.json`); without one the mean for encoders and the last
    /// token for decoders.
    public func makeEmbedder(dtype: DType) throws(FileError) -> TextEmbedder {
        let model = family.makeModel(hasHead: false)
        _ = try check(model.store.specs)
        model.store.allocate(dtype: dtype)
        _ = try load(into: model.store)
        let usual: TextEmbedder.Pooling = model.predictsNextToken ? .lastToken : .mean
        return TextEmbedder(
            model, pooling: try storedPooling() ?? usual, normalizes: try storesNormalization())
    }

    private func storedPooling() throws(FileError) -> TextEmbedder.Pooling? {
        let place = FilePaths.join(path, "1_Pooling/config.json")
        guard FilePaths.isFile(place) else { return nil }
        let reader = try ConfigurationReader(try readJSONFile(place), path: place)
        let modes: [(String, TextEmbedder.Pooling)] = [
            ("pooling_mode_cls_token", .firstToken), ("pooling_mode_mean_tokens", .mean),
            ("pooling_mode_max_tokens", .maximum), ("pooling_mode_lasttoken", .lastToken),
        ]
        var chosen: [TextEmbedder.Pooling] = []
        for (key, mode) in modes where try reader.bool(key, default: false) { chosen.append(mode) }
        guard chosen.count == 1 else {
            throw FileError(
                place, "asks for \(chosen.count) poolings of those that there are",
                likelyCause: "several are joined, or one that Apus does not have")
        }
        return chosen[0]
    }

    private func storesNormalization() throws(FileError) -> Bool {
        let place = FilePaths.join(path, "modules.json")
        guard FilePaths.isFile(place) else { return false }
        let modules = try readJSONFile(place).arrayValue ?? []
        return modules.contains { $0["type"]?.stringValue?.hasSuffix(".Normalize") ?? false }
    }
}
