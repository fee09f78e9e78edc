internal import ApusBase

/// A config.json, of which each value has its type or is an error.
struct ModelConfiguration {
    let json: JSONObject
    let path: String

    func fault(_ problem: String, remedy: String? = nil) -> FileError {
        FileError(path, problem, remedy: remedy)
    }

    /// A setting that llama.cpp has no place for.
    func unsupported(_ key: String, allowed: String) -> FileError {
        fault(
            "\(key) is \(json[key]?.text() ?? "missing"); llama.cpp computes such models only with "
                + allowed)
    }

    /// A key that is there and not null.
    func value(_ key: String) -> JSON? { json[key].flatMap { $0.isNull ? nil : $0 } }

    func text(_ key: String) throws(FileError) -> String {
        guard let value = json[key]?.stringValue else { throw fault("has no text \"\(key)\"") }
        return value
    }

    func int(_ key: String, default fallback: Int? = nil) throws(FileError) -> Int {
        if let fallback, value(key) == nil { return fallback }
        guard let value = json[key]?.intValue else { throw fault("has no integer \"\(key)\"") }
        return value
    }

    func double(_ key: String, default fallback: Double? = nil) throws(FileError) -> Double {
        if let fallback, value(key) == nil { return fallback }
        guard let value = json[key]?.doubleValue else { throw fault("has no number \"\(key)\"") }
        return value
    }

    func bool(_ key: String, default fallback: Bool = false) -> Bool {
        json[key]?.boolValue ?? fallback
    }

    /// A width over heads, which are some.
    func headWidth(width: String, heads: String) throws(FileError) -> Int {
        if let width = value("head_dim")?.intValue { return width }
        let count = try int(heads)
        guard count > 0 else { throw fault("\(heads) is \(count)") }
        return try int(width) / count
    }

    // MARK: Rotary positions

    /// Where the rotary embedding is described: `rope_scaling`, or else `rope_parameters` (since
    /// transformers 5); for models with two kinds of layers once for each.
    private var rotaryPlaces: [JSON] {
        ["rope_scaling", "rope_parameters"].lazy.compactMap { value($0) }.prefix(1).map {
            $0["full_attention"] ?? $0
        }
    }

    func rotaryValue(_ key: String) -> JSON? {
        (rotaryPlaces.lazy.compactMap { $0[key] }.first ?? json[key]).flatMap {
            $0.isNull ? nil : $0
        }
    }

    func rotary(_ key: String) -> Double? { rotaryValue(key)?.doubleValue }

    var rotaryType: String {
        rotaryPlaces.lazy.compactMap { ($0["rope_type"] ?? $0["type"])?.stringValue }.first
            ?? "default"
    }
}
