internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// The weights of a model folder under the layers of an adapted model.
struct FrozenWeights {
    let base: PretrainedModel
    let store: ParameterStore

    /// The weight of the file, `[outputs, inputs]` in fp32.
    func weight(_ path: String, _ kind: LayerKind) throws(FileError) -> Tensor {
        let weight = try base.tensor(spec(path))
        let isTransposed = kind == .transposedLinear || kind == .embedding
        return isTransposed ? weight.transposed.contiguous() : weight
    }

    /// Of a head that is the embedding, where it would stand.
    func spec(_ path: String) -> ParameterSpec {
        if let own = store["\(path).weight"] { return own.spec }
        guard let embedding = store.parameters.first(where: \.spec.isTable)?.spec else {
            preconditionFailure("no weight at \(path)")
        }
        return ParameterSpec(
            name: "\(path).weight", shape: embedding.shape, unit: embedding.unit, decays: true)
    }
}
