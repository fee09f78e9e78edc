import ApusBase
import ApusFormats
import ApusShard

extension ModelOutline {
    /// The outline of a HuggingFace folder or a GGUF file, from its header alone.
    init(modelAt path: String) throws(FileError) {
        if FilePaths.isFolder(path) {
            let file = FilePaths.join(path, "config.json")
            let mapped = try MappedFile(path: file)
            let json: JSON
            do {
                json = try mapped.withBytes { bytes throws(JSONSyntaxError) in
                    try JSON.parse(bytes)
                }
            } catch {
                throw FileError(file, at: .offset(error.offset), error.problem)
            }
            try self.init(configuration: json, path: file)
        } else {
            try self.init(try GGUFFile(path: path))
        }
    }

    /// GGUF's names in the words of a config.json.
    private init(_ file: GGUFFile) throws(FileError) {
        let kind = file["general.architecture"]?.stringValue ?? ""
        var json: JSONObject = ["model_type": .string(kind)]
        let names = [
            "hidden_size": "embedding_length", "num_hidden_layers": "block_count",
            "num_attention_heads": "attention.head_count",
            "num_key_value_heads": "attention.head_count_kv",
            "head_dim": "attention.key_length", "intermediate_size": "feed_forward_length",
        ]
        for (name, key) in names {
            json[name] = (file["\(kind).\(key)"]?.intValue).map { .integer($0) }
        }
        json["vocab_size"] = (file.entry("token_embd.weight")?.shape.first).map { .integer($0) }
        json["tie_word_embeddings"] = .bool(file.entry("output.weight") == nil)
        json["attention_bias"] = .bool(file.entry("blk.0.attn_q.bias") != nil)
        json["mlp_bias"] = .bool(file.entry("blk.0.ffn_up.bias") != nil)
        try self.init(configuration: .object(json), path: file.path)
    }
}
