/// What llama.cpp calls a kind of model and its tensors, and how their elements stand in its files:
/// the one table by which GGUF files are written and read.
public struct GGUFNaming: Sendable {
    /// Where a parameter of a HuggingFace model stands in a GGUF file.
    public struct Place: Sendable, Hashable {
        public var tensor: String
        /// The parameter's number in a stack; nil: the tensor is the parameter alone.
        public var expert: Int?
        public var rows = GGUFRowOrder.kept
        /// A matrix of GPT-2, whose rows are inputs here and outputs there.
        public var isTransposed = false
        /// Gemma's norms multiply by one more than the weight, llama.cpp's by the weight.
        public var addsOne = false
    }

    /// `general.architecture`.
    public let architecture: String
    private let family: Family
    private let headCount: Int
    private let headWidth: Int

    /// - modelType: `model_type` of config.json
    ///
    /// nil for a kind without a name here.
    public init?(modelType: String, headCount: Int, headWidth: Int) {
        guard let family = Self.families[modelType] else { return nil }
        self.family = family
        architecture = family.architecture
        self.headCount = headCount
        self.headWidth = headWidth
    }

    public static var modelTypes: [String] { families.keys.sorted() }

    /// The place of a parameter, whose name may lack the outermost prefix; nil for what has none.
    public func place(of parameter: String) -> Place? {
        let isWhole = family.heads.contains { parameter.hasPrefix($0 + ".") }
        let path = isWhole ? parameter : "\(family.heads[0]).\(parameter)"
        guard let dot = path.lastIndex(of: ".") else { return nil }
        let (module, kind) = (String(path[..<dot]), String(path[dot...]))
        if let outer = family.outer[module] { return place(outer + kind, module) }
        guard module.hasPrefix(family.layers) else { return nil }
        var parts = module.dropFirst(family.layers.count).split(separator: ".").map { String($0) }
        guard parts.count > 1, Int(parts[0]) != nil else { return nil }
        let layer = parts.removeFirst()
        var expert: Int?
        if let experts = parts.firstIndex(of: "experts"), experts + 1 < parts.count {
            expert = Int(parts.remove(at: experts + 1))
            guard expert != nil else { return nil }
        }
        guard let inner = family.inner[parts.joined(separator: ".")] else { return nil }
        var place = place("blk.\(layer).\(inner)\(kind)", module)
        place.expert = expert
        if family.rotatesNeighbours, inner == "attn_q" || inner == "attn_k" {
            place.rows = .interleaved(headWidth: headWidth)
        } else if inner == "attn_qkv", family.joinsHeads {
            place.rows = .parted(headWidth: headWidth, headCount: headCount)
        }
        place.isTransposed = family.transposes && kind == ".weight" && !inner.hasSuffix("norm")
        return place
    }

    private func place(_ tensor: String, _ module: String) -> Place {
        Place(tensor: tensor, addsOne: family.shiftsNorms && module.hasSuffix("norm"))
    }
}

/// How rows of a parameter and of its tensor in a GGUF file differ: they stand in groups, whose
/// order may differ, and in another order inside them.
public enum GGUFRowOrder: Sendable, Hashable {
    case kept
    /// The two halves of a head, which are rotated against each other, stand in turn.
    case interleaved(headWidth: Int)
    /// Query, key and value of head after head become all queries, all keys and all values.
    case parted(headWidth: Int, headCount: Int)

    /// Rows in a group; nil: all of them.
    public var groupRows: Int? {
        switch self {
        case .kept: nil
        case .interleaved(let width), .parted(let width, _): width
        }
    }

    /// Where a group of the parameter stands in the file.
    public func fileGroup(_ group: Int) -> Int {
        guard case .parted(_, let heads) = self else { return group }
        let (head, part) = group.quotientAndRemainder(dividingBy: 3)
        return part * heads + head
    }

    /// Which group of the parameter stands at this group of the file.
    public func parameterGroup(_ group: Int) -> Int {
        guard case .parted(_, let heads) = self else { return group }
        let (part, head) = group.quotientAndRemainder(dividingBy: heads)
        return head * 3 + part
    }

    /// Where a row of a parameter's group stands in the file's group.
    public func fileRow(_ row: Int) -> Int {
        guard case .interleaved(let width) = self else { return row }
        let half = width / 2
        return row < half ? 2 * row : 2 * (row - half) + 1
    }
}

// MARK: - The families

extension GGUFNaming {
    private struct Family: Sendable {
        var architecture: String
        /// What parameters' names begin with; the first one may be left out.
        var heads = ["model", "lm_head"]
        var outer = [
            "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
        ]
        var layers = "model.layers."
        var inner: [String: String] = [:]
        /// Queries and keys are rotated in pairs of neighbours.
        var rotatesNeighbours = false
        var shiftsNorms = false
        var transposes = false
        /// One projection holds query, key and value head by head.
        var joinsHeads = false

        init(_ architecture: String, norms: [String: String]? = nil) {
            self.architecture = architecture
            guard let norms else { return }
            inner = GGUFNaming.llamaParts.merging(norms) { $1 }
        }

        func with(_ change: (inout Family) -> Void) -> Family {
            var copy = self
            change(&copy)
            return copy
        }
    }

    private static let llamaParts = [
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm", "self_attn.qkv_proj": "attn_qkv",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "mlp.gate_up_proj": "ffn_up", "mlp.gate": "ffn_gate_inp",
        "mlp.experts.gate_proj": "ffn_gate_exps", "mlp.experts.up_proj": "ffn_up_exps",
        "mlp.experts.down_proj": "ffn_down_exps", "block_sparse_moe.gate": "ffn_gate_inp",
        "block_sparse_moe.experts.w1": "ffn_gate_exps",
        "block_sparse_moe.experts.w2": "ffn_down_exps",
        "block_sparse_moe.experts.w3": "ffn_up_exps",
    ]
    /// Norms before the two parts of a block.
    private static let before = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    ]
    /// Norms behind them.
    private static let behind = [
        "post_attention_layernorm": "post_attention_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    ]
    private static let around = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    ]

    /// By `model_type`.
    private static let families: [String: Family] = {
        let llama = Family("llama", norms: before).with { $0.rotatesNeighbours = true }
        return [
            "llama": llama, "mistral": llama, "mixtral": llama,
            "smollm3": llama.with { $0.architecture = "smollm3" },
            "qwen2": Family("qwen2", norms: before), "qwen3": Family("qwen3", norms: before),
            "qwen3_moe": Family("qwen3moe", norms: before), "phi3": Family("phi3", norms: before),
            "olmo2": Family("olmo2", norms: behind),
            "gemma2": Family("gemma2", norms: around).with { $0.shiftsNorms = true },
            "gemma3_text": Family("gemma3", norms: around).with { $0.shiftsNorms = true },
            "gpt2": gpt2, "gpt_neox": neox,
        ]
    }()

    private static let gpt2 = Family("gpt2").with {
        $0.heads = ["transformer", "lm_head"]
        $0.outer = [
            "transformer.wte": "token_embd", "transformer.wpe": "position_embd",
            "transformer.ln_f": "output_norm", "lm_head": "output",
        ]
        $0.layers = "transformer.h."
        $0.inner = [
            "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
            "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
        ]
        $0.transposes = true
    }

    private static let neox = Family("gptneox").with {
        $0.heads = ["gpt_neox", "embed_out"]
        $0.outer = [
            "gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm",
            "embed_out": "output",
        ]
        $0.layers = "gpt_neox.layers."
        $0.inner = [
            "input_layernorm": "attn_norm", "attention.query_key_value": "attn_qkv",
            "attention.dense": "attn_output", "post_attention_layernorm": "ffn_norm",
            "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
        ]
        $0.joinsHeads = true
    }
}
