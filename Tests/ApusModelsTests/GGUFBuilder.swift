import ApusBase
import ApusFormats

/// Writes small GGUF files (version 3, fp32 tensors) for tests.
struct GGUFBuilder {
    private var metadata: [UInt8] = []
    private var metadataCount = 0
    private var infos: [UInt8] = []
    private var data: [UInt8] = []
    private var tensorCount = 0

    mutating func set(_ key: String, _ value: String) {
        begin(key, type: 8)
        append(value, to: &metadata)
    }

    mutating func set(_ key: String, _ value: Int) {
        begin(key, type: 11)
        append(Int64(value), to: &metadata)
    }

    mutating func set(_ key: String, _ value: Double) {
        begin(key, type: 6)
        append(Float(value).bitPattern, to: &metadata)
    }

    /// - shape: outermost first
    mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
        append(name, to: &infos)
        append(UInt32(shape.count), to: &infos)
        for size in shape.reversed() { append(UInt64(size), to: &infos) }
        append(UInt32(0), to: &infos)
        append(UInt64(data.count), to: &infos)
        for value in values { append(value.bitPattern, to: &data) }
        while data.count % 32 != 0 { data.append(0) }
        tensorCount += 1
    }

    var bytes: [UInt8] {
        var all = Array("GGUF".utf8)
        append(UInt32(3), to: &all)
        append(UInt64(tensorCount), to: &all)
        append(UInt64(metadataCount), to: &all)
        all += metadata
        all += infos
        while all.count % 32 != 0 { all.append(0) }
        return all + data
    }

    private mutating func begin(_ key: String, type: UInt32) {
        append(key, to: &metadata)
        append(type, to: &metadata)
        metadataCount += 1
    }

    private func append(_ text: String, to bytes: inout [UInt8]) {
        append(UInt64(text.utf8.count), to: &bytes)
        bytes += text.utf8
    }

    private func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    }
}

extension GGUFBuilder {
    private static let parts = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
        "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
        "q_norm": "attn_q_norm", "k_norm": "attn_k_norm", "gate_proj": "ffn_gate",
        "up_proj": "ffn_up", "down_proj": "ffn_down", "embed_tokens": "token_embd",
        "norm": "output_norm", "lm_head": "output",
    ]

    /// A model folder as llama.cpp's converter would write it.
    init(folder: String) throws {
        let config = try readJSON(folder + "/config.json")
        func int(_ key: String) -> Int { config[key]?.intValue ?? 0 }
        let architecture = config["model_type"]?.stringValue ?? ""
        let heads = int("num_attention_heads")
        let headWidth = config["head_dim"]?.intValue ?? int("hidden_size") / heads
        set("general.architecture", architecture)
        set("\(architecture).embedding_length", int("hidden_size"))
        set("\(architecture).feed_forward_length", int("intermediate_size"))
        set("\(architecture).block_count", int("num_hidden_layers"))
        set("\(architecture).attention.head_count", heads)
        set("\(architecture).attention.head_count_kv", int("num_key_value_heads"))
        set("\(architecture).attention.key_length", headWidth)
        set("\(architecture).context_length", int("max_position_embeddings"))
        set(
            "\(architecture).attention.layer_norm_rms_epsilon",
            config["rms_norm_eps"]?.doubleValue ?? 0)
        set(
            "\(architecture).rope.freq_base",
            config["rope_parameters"]?["rope_theta"]?.doubleValue ?? 0)
        let source = try openTensors(at: folder)
        for name in source.names {
            let shape = source.entry(name)?.shape ?? []
            var values = try source.floats(name)
            let rotates = name.contains("q_proj") || name.contains("k_proj")
            if rotates, architecture == "llama" {
                values = Self.neighbouring(values, rows: shape[0], headWidth: headWidth)
            }
            add(Self.fileName(name), shape, values)
        }
    }

    private static func fileName(_ name: String) -> String {
        let words = name.split(separator: ".").map(String.init)
        let part = parts[words[words.count - 2]] ?? "unknown"
        let suffix = words[words.count - 1]
        let layer = words.firstIndex(of: "layers").map { "blk.\(words[$0 + 1])." } ?? ""
        return "\(layer)\(part).\(suffix)"
    }

    /// Rows i and i + half of a head side by side.
    private static func neighbouring(_ values: [Float], rows: Int, headWidth: Int) -> [Float] {
        let columns = values.count / rows
        let half = headWidth / 2
        return (0..<rows).flatMap { row -> ArraySlice<Float> in
            let (head, inner) = row.quotientAndRemainder(dividingBy: headWidth)
            let source = head * headWidth + inner / 2 + (inner % 2) * half
            return values[source * columns..<(source + 1) * columns]
        }
    }
}
