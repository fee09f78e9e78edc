internal import ApusBase

/// A parameter as an optimizer counts it.
typealias NumberedParameter = (name: String, shape: [Int])

/// The order in which the models of `transformers` declare their parameters, which safetensors
/// files, sorted by name, have lost.
enum ParameterOrder {
    /// Modules by family, each before those that it is declared before.
    private static let families = [
        // Llama, Mistral, Qwen, Gemma, Phi-3, OLMo 2, SmolLM 3.
        """
        embed_tokens layers self_attn q_proj k_proj v_proj o_proj qkv_proj q_norm k_norm mlp
        gate_proj up_proj gate_up_proj down_proj input_layernorm post_attention_layernorm
        pre_feedforward_layernorm post_feedforward_layernorm norm lm_head
        """,
        // GPT-2.
        "wte wpe h ln_1 attn c_attn ln_2 mlp c_fc c_proj ln_f lm_head",
        // GPT-NeoX.
        """
        embed_in layers input_layernorm post_attention_layernorm attention query_key_value dense
        mlp dense_h_to_4h dense_4h_to_h final_layer_norm embed_out lm_head
        """,
        // BERT.
        """
        embeddings word_embeddings position_embeddings token_type_embeddings encoder layer
        attention self query key value intermediate output transform dense LayerNorm pooler cls
        predictions decoder classifier
        """,
        // RoBERTa.
        """
        embeddings word_embeddings token_type_embeddings encoder layer attention self query key
        value intermediate output dense LayerNorm position_embeddings pooler classifier out_proj
        lm_head layer_norm decoder
        """,
        // DistilBERT.
        """
        embeddings word_embeddings position_embeddings LayerNorm layer attention q_lin k_lin v_lin
        out_lin sa_layer_norm ffn lin1 lin2 output_layer_norm pre_classifier classifier
        vocab_transform vocab_layer_norm vocab_projector
        """,
    ].map { $0.split { $0.isWhitespace }.map(String.init) }

    /// Modules that hold all others but the head, which comes last.
    private static let bodies: Set<Substring> = [
        "model", "transformer", "gpt_neox", "bert", "roberta", "distilbert",
    ]

    /// The orders in which a model may declare these: none for a family that is not known.
    static func candidates(_ parameters: [NumberedParameter]) -> [[NumberedParameter]] {
        families.compactMap { modules in
            var keyed: [(key: [Int], parameter: NumberedParameter)] = []
            for parameter in parameters {
                guard let key = key(parameter.name, modules) else { return nil }
                keyed.append((key, parameter))
            }
            return keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.parameter)
        }
    }

    /// A module's own parameters come before those of the modules in it.
    private static func key(_ name: String, _ modules: [String]) -> [Int]? {
        var key: [Int] = []
        for part in name.split(separator: ".") where !bodies.contains(part) {
            if let number = Int(part) {
                key.append(number)
            } else if part == "weight" || part == "bias" {
                key.append(part == "weight" ? 0 : 1)
            } else if let place = modules.firstIndex(of: String(part)) {
                key.append(place + 2)
            } else {
                return nil
            }
        }
        return key
    }

    /// What the HuggingFace trainer spares from weight decay: biases and norms.
    static func isSpared(_ name: String) -> Bool {
        let lower = name.lowercased()
        let parts = lower.split(separator: ".")
        return lower.contains("bias") || lower.contains("layernorm") || lower.contains("rmsnorm")
            || parts.contains { $0 == "norm" || $0.hasSuffix("_norm") || $0.hasPrefix("ln_") }
    }
}
