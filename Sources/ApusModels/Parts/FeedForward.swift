internal import ApusBase
internal import ApusNN
internal import ApusTensor

/// `down(activation(gate(x)) * up(x))`. Source: Shazeer: "GLU Variants Improve Transformer" (2020).
struct GatedFeedForward {
    private let gate, up, down: Linear
    private let activation: Activation

    /// - width: of the inner layer; nil: the configuration's
    init(_ c: DecoderConfiguration, _ activation: Activation, width: Int? = nil, in scope: Scope) {
        let inner = width ?? c.feedForwardWidth
        gate = c.linear(c.width, inner, in: scope["gate_proj"])
        up = c.linear(c.width, inner, in: scope["up_proj"])
        down = c.linear(inner, c.width, in: scope["down_proj"])
        self.activation = activation
    }

    func callAsFunction(_ x: Tensor) -> Tensor { down(activation.gated(gate(x), up(x))) }
}

extension DecoderConfiguration {
    var initializer: Initializer { .normal(standardDeviation: initializerDeviation) }

    func linear(_ inputs: Int, _ outputs: Int, bias: Bool = false, in scope: Scope) -> Linear {
        Linear(inputs, outputs, bias: bias, initializer: initializer, in: scope)
    }

    /// A projection of attention, with a bias where the configuration asks for one.
    func attentionLinear(_ inputs: Int, _ outputs: Int, in scope: Scope) -> Linear {
        linear(inputs, outputs, bias: attentionBias, in: scope)
    }

    func heads(layer: Int) -> AttentionHeads {
        AttentionHeads(
            layer: layer, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
            width: headWidth)
    }
}

extension ConfigurationReader {
    /// For families whose published models all use SiLU.
    func requireSiLU() throws(FileError) {
        let name = try string("hidden_act") ?? "silu"
        guard name == "silu" else { throw unsupported("hidden_act", name, allowed: "silu") }
    }
}
