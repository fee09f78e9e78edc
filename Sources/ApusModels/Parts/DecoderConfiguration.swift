internal import ApusBase

/// What the config.json files of most decoders say in the same words.
public struct DecoderConfiguration: Sendable, Hashable {
    public var vocabularySize: Int
    public var width: Int
    public var feedForwardWidth: Int
    public var layerCount: Int
    public var headCount: Int
    public var keyValueHeadCount: Int
    public var headWidth: Int
    public var normEpsilon: Double
    public var maximumLength: Int
    public var tiesEmbeddings: Bool
    public var attentionBias: Bool
    public var initializerDeviation: Double
}

extension DecoderConfiguration {
    /// What a family assumes where the file says nothing.
    struct Defaults {
        var normEpsilon = 1e-6
        /// nil: the width divided by the heads.
        var headWidth: Int?
        var maximumLength = 2048
        var tiesEmbeddings = false
        var normEpsilonKey = "rms_norm_eps"
    }

    init(_ reader: ConfigurationReader, _ defaults: Defaults) throws(FileError) {
        typealias Limit = ConfigurationReader.Limit
        vocabularySize = try reader.size("vocab_size", upTo: Limit.rows)
        width = try reader.size("hidden_size")
        feedForwardWidth = try reader.size("intermediate_size")
        layerCount = try reader.size("num_hidden_layers", upTo: Limit.layers)
        headCount = try reader.size("num_attention_heads")
        keyValueHeadCount = try reader.size("num_key_value_heads", default: headCount)
        guard headCount.isMultiple(of: keyValueHeadCount) else {
            throw reader.unsupported(
                "num_key_value_heads", "\(keyValueHeadCount)", allowed: "divisors of \(headCount)")
        }
        headWidth = try reader.headWidth(
            heads: headCount, default: defaults.headWidth ?? width / headCount)
        normEpsilon = try reader.magnitude(defaults.normEpsilonKey, default: defaults.normEpsilon)
        maximumLength = try reader.size(
            "max_position_embeddings", upTo: Limit.length, default: defaults.maximumLength)
        tiesEmbeddings = try reader.bool(
            "tie_word_embeddings", default: defaults.tiesEmbeddings)
        attentionBias = try reader.bool("attention_bias", default: false)
        initializerDeviation = try reader.magnitude("initializer_range", default: 0.02)
    }
}

extension ConfigurationReader {
    /// The window of the layers that `layer_types` calls sliding; without that list, of those that
    /// `isSliding` picks.
    func windows(
        layers: Int, isSliding: (Int) -> Bool
    ) throws(FileError) -> [Int?] {
        guard value("sliding_window") != nil else { return Array(repeating: nil, count: layers) }
        let window = try size("sliding_window", upTo: Limit.length)
        guard let types = value("layer_types") else {
            return (0..<layers).map { isSliding($0) ? window : nil }
        }
        guard let names = types.arrayValue, names.count == layers else {
            throw FileError(path, "layer_types should be a list of \(layers) names")
        }
        var windows: [Int?] = []
        for name in names {
            switch name.stringValue {
            case "sliding_attention": windows.append(window)
            case "full_attention": windows.append(nil)
            default:
                throw unsupported(
                    "layer_types", name.text(), allowed: "full_attention, sliding_attention")
            }
        }
        return windows
    }
}
