internal import ApusBase

/// Typed access to a model's config.json: every complaint names the file, the key, and what was
/// expected.
struct ConfigurationReader {
    let path: String
    let members: JSONObject

    init(_ json: JSON, path: String) throws(FileError) {
        guard let members = json.objectValue else {
            throw FileError(path, "a model's configuration is an object, not \(json.kind)")
        }
        self.path = path
        self.members = members
    }

    /// A key that is there and not null.
    func value(_ key: String) -> JSON? {
        guard let value = members[key], !value.isNull else { return nil }
        return value
    }

    func int(_ key: String) throws(FileError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let number = value.intValue else { throw wrong(key, value, "an integer") }
        return number
    }

    /// Bounds far beyond any model, within which no product or sum of sizes overflows.
    enum Limit {
        static let width = 1 << 20
        static let rows = 1 << 24
        static let layers = 1 << 12
        static let length = 1 << 30
    }

    /// A size: required where there is no default, and from 1 to a limit.
    func size(
        _ key: String, upTo limit: Int = Limit.width, default fallback: Int? = nil
    ) throws(FileError) -> Int {
        guard let number = try int(key) ?? fallback else { throw missing(key) }
        guard (1...limit).contains(number) else {
            throw FileError(path, "\(key) is \(number); it should be from 1 to \(limit)")
        }
        return number
    }

    /// A number that is not negative.
    func magnitude(_ key: String, default fallback: Double) throws(FileError) -> Double {
        let number = try double(key, default: fallback)
        guard number >= 0 else {
            throw FileError(path, "\(key) is \(number); it should not be negative")
        }
        return number
    }

    func probability(_ key: String, default fallback: Double) throws(FileError) -> Double {
        let value = try double(key, default: fallback)
        guard (0..<1).contains(value) else {
            throw unsupported(key, "\(value)", allowed: "probabilities below 1")
        }
        return value
    }

    /// The width of each head, and that all heads together have a sensible width.
    func headWidth(heads: Int, default fallback: Int) throws(FileError) -> Int {
        let width = try size("head_dim", default: fallback)
        guard heads * width <= Limit.width else {
            throw FileError(path, "\(heads) heads of head_dim \(width) are no sensible model")
        }
        return width
    }

    func double(_ key: String, default fallback: Double) throws(FileError) -> Double {
        guard let value = value(key) else { return fallback }
        guard let number = value.doubleValue, number.isFinite else {
            throw wrong(key, value, "a number")
        }
        return number
    }

    func bool(_ key: String, default fallback: Bool) throws(FileError) -> Bool {
        guard let value = value(key) else { return fallback }
        guard let flag = value.boolValue else { throw wrong(key, value, "true or false") }
        return flag
    }

    func string(_ key: String) throws(FileError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.stringValue else { throw wrong(key, value, "a string") }
        return text
    }

    /// A nested object as a reader of its own.
    func object(_ key: String) throws(FileError) -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard value.objectValue != nil else { throw wrong(key, value, "an object") }
        return try ConfigurationReader(value, path: "\(path): \(key)")
    }

    func missing(_ key: String) -> FileError {
        FileError(path, "the key \(key) is missing", likelyCause: "not a whole config.json")
    }

    func unsupported(_ key: String, _ value: String, allowed: String) -> FileError {
        FileError(path, "\(key) is \(value), which Apus cannot compute; it knows \(allowed)")
    }

    private func wrong(_ key: String, _ value: JSON, _ expected: String) -> FileError {
        FileError(path, "\(key) should be \(expected), it is \(value.kind)")
    }
}
