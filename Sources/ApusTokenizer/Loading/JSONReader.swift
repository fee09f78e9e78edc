internal import ApusBase

/// A value inside a tokenizer file together with its place, so that every complaint can name it.
struct JSONReader {
    let value: JSON
    let file: String
    let path: String

    init(_ value: JSON, file: String, path: String = "") {
        self.value = value
        self.file = file
        self.path = path
    }

    func fault(_ problem: String, remedy: String? = nil) -> TokenizerError {
        TokenizerError(file: file, location: path, problem, remedy: remedy)
    }

    /// The member `key`; nil when missing or null.
    func member(_ key: String) -> JSONReader? {
        guard let member = value[key], !member.isNull else { return nil }
        return JSONReader(member, file: file, path: path.isEmpty ? key : "\(path).\(key)")
    }

    func required(_ key: String) throws(TokenizerError) -> JSONReader {
        guard let member = member(key) else {
            throw fault("the key \"\(key)\" is missing")
        }
        return member
    }

    func elements() throws(TokenizerError) -> [JSONReader] {
        guard let array = value.arrayValue else { throw mismatch("an array") }
        return array.enumerated().map {
            JSONReader($0.element, file: file, path: "\(path)[\($0.offset)]")
        }
    }

    func object() throws(TokenizerError) -> JSONObject {
        guard let object = value.objectValue else { throw mismatch("an object") }
        return object
    }

    func string() throws(TokenizerError) -> String {
        guard let string = value.stringValue else { throw mismatch("a string") }
        return string
    }

    func bool() throws(TokenizerError) -> Bool {
        guard let bool = value.boolValue else { throw mismatch("true or false") }
        return bool
    }

    func integer() throws(TokenizerError) -> Int {
        guard let integer = value.intValue else { throw mismatch("an integer") }
        return integer
    }

    func double() throws(TokenizerError) -> Double {
        guard let double = value.doubleValue else { throw mismatch("a number") }
        return double
    }

    /// A token id, which must fit what models use.
    func tokenID() throws(TokenizerError) -> Int32 {
        let id = try integer()
        guard id >= 0, id < JSONReader.idLimit else {
            throw fault("\(id) is no token id (0 to \(JSONReader.idLimit - 1))")
        }
        return Int32(id)
    }

    /// No published vocabulary comes near; a larger id would only make a table that fills the
    /// memory.
    static let idLimit = MergeTable.idLimit

    func bool(_ key: String, default fallback: Bool) throws(TokenizerError) -> Bool {
        try member(key)?.bool() ?? fallback
    }

    func string(_ key: String) throws(TokenizerError) -> String {
        try required(key).string()
    }

    /// The `type` of a part, and a complaint when a key is there that the type does not have: what
    /// is not understood must not be skipped.
    func type(
        _ kind: String, keys: [String: [String]]
    ) throws(TokenizerError) -> String {
        let type = try string("type")
        guard let allowed = keys[type] else {
            throw fault(
                "a \(kind) of type \"\(type)\" is not supported",
                remedy: "supported: " + keys.keys.sorted().joined(separator: ", "))
        }
        try expectKeys(["type"] + allowed)
        return type
    }

    func expectKeys(_ allowed: [String]) throws(TokenizerError) {
        for key in try object().keys where !allowed.contains(key) {
            let nearest = nearestName(to: key, among: allowed).map { "did you mean \"\($0)\"?" }
            throw fault("the key \"\(key)\" is not known here", remedy: nearest)
        }
    }

    private func mismatch(_ expected: String) -> TokenizerError {
        fault("\(value.kind) stands where \(expected) should")
    }
}
