public import ApusBase
public import ApusNN

/// Learning rates that differ within an adapter: the second factors learn faster.
///
/// The groups are those of PEFT's `create_loraplus_optimizer`.
/// Source: Hayou et al.: "LoRA+" (2024).
public struct LoRAPlus: Sendable, Hashable {
    /// The rate of second factors and of vectors, over that of all else.
    public var ratio: Double
    /// The rate of both factors of an embedding.
    public var embeddingRate: Double

    public init(ratio: Double, embeddingRate: Double = 1e-6) {
        self.ratio = ratio
        self.embeddingRate = embeddingRate
    }

    /// Sets the rates of all trained parameters; before an engine is told of them.
    ///
    /// - learningRate: of the first factors; schedules multiply all rates alike
    public func apply(to store: ParameterStore, learningRate: Double) {
        for parameter in store.parameters where parameter.spec.isTrainable {
            parameter.scaleLearningRate(by: factor(of: parameter.spec, learningRate))
        }
    }

    private func factor(of spec: ParameterSpec, _ learningRate: Double) -> Double {
        if spec.name.contains(".lora_embedding_") { return embeddingRate / learningRate }
        return spec.name.contains(".lora_B.") || spec.shape.count == 1 ? ratio : 1
    }
}
