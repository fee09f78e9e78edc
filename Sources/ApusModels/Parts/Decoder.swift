internal import ApusBase
public import ApusNN
public import ApusTensor

/// What a layer is given beside the hidden states.
struct LayerPass {
    /// nil for layers that rotate nothing.
    let tables: RotaryTables?
    let mask: AttentionMask
    let cache: KeyValueCache?
    let isTraining: Bool

    /// Rotates queries or keys, where this layer does.
    func rotate(_ x: Tensor) -> Tensor { tables?.rotate(x) ?? x }
}

/// One layer of a decoder: hidden states `[batch, length, width]` to the next ones.
protocol DecoderBlock {
    func callAsFunction(_ x: Tensor, _ pass: LayerPass) -> Tensor
}

/// Embedding, layers, last norm and head: what decoder families share. A family says how its layers
/// compute and what their parameters are called.
public final class Decoder: LanguageModel {
    /// How a family fills the form.
    struct Form {
        var configuration: DecoderConfiguration
        /// For each layer; nil: positions do not enter there.
        var rotaries: [RotaryConfiguration?]
        /// For each layer: how far back queries see; nil: all the way.
        var windows: [Int?]
        /// What embeddings are multiplied by.
        var embeddingScale = 1.0
        var logitSoftCap: Double?
        var names = Names()
        /// False where another head stands on the hidden states.
        var hasHead = true
    }

    /// Where a family's files have the parts.
    struct Names {
        var model = "model"
        var embedding = "embed_tokens"
        var layers = "layers"
        var norm = "norm"
        var head = "lm_head"
    }

    public let store: ParameterStore
    public let logitSoftCap: Double?
    private let form: Form
    private let embedding: Embedding
    private let embeddingUnit: Unit
    private let blocks: [any DecoderBlock]
    private let units: [Unit]
    private let lastUnit: Unit
    private let norm: (Tensor) -> Tensor
    private let output: OutputHead

    /// - makeNorm: declares the last norm
    /// - makeBlock: declares a layer in its scope
    init(
        _ form: Form, store: ParameterStore, makeNorm: (Scope) -> (Tensor) -> Tensor,
        makeBlock: (_ layer: Int, _ scope: Scope) -> any DecoderBlock
    ) {
        self.form = form
        self.store = store
        logitSoftCap = form.logitSoftCap
        let c = form.configuration
        let initializer = Initializer.normal(standardDeviation: c.initializerDeviation)
        let model = store.root[form.names.model]
        let first = model[form.names.embedding].asUnit()
        embeddingUnit = first.unit
        embedding = Embedding(c.vocabularySize, c.width, initializer: initializer, in: first)
        let scopes = (0..<c.layerCount).map { model[form.names.layers][$0].asUnit() }
        blocks = scopes.enumerated().map { makeBlock($0, $1) }
        units = scopes.map(\.unit)
        let last = store.root[form.names.head].asUnit()
        lastUnit = last.unit
        norm = makeNorm(model[form.names.norm].inUnit(of: last))
        output =
            form.hasHead
            ? OutputHead(
                embedding, isTied: c.tiesEmbeddings, initializer: initializer, in: last)
            : OutputHead(embedding)
    }

    public var vocabularySize: Int { form.configuration.vocabularySize }
    public var width: Int { form.configuration.width }
    public var layerCount: Int { form.configuration.layerCount }
    public var positionLimit: Int? { nil }
    public var head: Tensor { output.weight.value }
    public var headUnits: [Unit] { output.units }
    public func headOperands(_ hidden: Tensor) -> (hidden: Tensor, weight: Tensor) {
        output.operands(hidden)
    }

    public func hiddenStates(_ tokens: Tensor, _ context: SequenceContext) -> Tensor {
        store.isTraining = context.isTraining
        var x = embeddingUnit.run([]) { _ in
            let embedded = self.embedding(tokens)
            let scale = self.form.embeddingScale
            guard scale != 1 else { return context.addingNoise(to: embedded) }
            // transformers' embedding layers scale inside, by a number of their own dtype: noise is
            // of the scaled size.
            let factor = Tensor.scalar(scale, dtype: embedded.dtype, device: embedded.device)
            return context.addingNoise(to: embedded * factor)
        }
        let passes = LayerPasses(form, context, length: tokens.size(1), like: x)
        for layer in blocks.indices {
            let (block, pass) = (blocks[layer], passes.pass(of: layer))
            x = units[layer].run([x]) { block($0[0], pass) }
        }
        context.cache?.advance()
        return lastUnit.run([x]) { self.norm($0[0]) }
    }
}

/// Tables and masks of a forward pass, made once for all layers that share them.
private struct LayerPasses {
    private let form: Decoder.Form
    private let context: SequenceContext
    private var tables: [RotaryConfiguration: RotaryTables] = [:]
    private var masks: [Int?: AttentionMask] = [:]

    init(_ form: Decoder.Form, _ context: SequenceContext, length: Int, like x: Tensor) {
        self.form = form
        self.context = context
        let positions = context.positions(length: length, device: x.device)
        let longest = (context.cache?.length ?? 0) + length
        for rotary in Set(form.rotaries.compactMap { $0 }) {
            tables[rotary] = RotaryTables(
                rotary, positions: positions, longest: longest, dtype: x.dtype)
        }
        for window in Set(form.windows) {
            masks[window] = AttentionMask(context, length: length, window: window, device: x.device)
        }
    }

    func pass(of layer: Int) -> LayerPass {
        guard let mask = masks[form.windows[layer]] else {
            preconditionFailure("Decoder: layer \(layer) has no mask")
        }
        return LayerPass(
            tables: form.rotaries[layer].flatMap { tables[$0] }, mask: mask, cache: context.cache,
            isTraining: context.isTraining)
    }
}
