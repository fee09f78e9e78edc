internal import ApusBase
internal import ApusFormats

extension LoRAConfiguration.Initialization {
    private static let plain: [(word: String, value: Self)] = [
        ("true", .standard), ("false", .random), ("gaussian", .gaussian),
        ("orthogonal", .orthogonal), ("pissa", .pissa), ("olora", .olora), ("loftq", .loftQ),
        ("mica", .mica), ("eva", .eva), ("corda", .corda), ("lora_ga", .loraGA),
    ]
    private static let fastPissa = "pissa_niter_"

    /// PEFT's words; nil for one that Apus does not have.
    public init?(word: String) {
        let word = word.lowercased()
        if let known = Self.plain.first(where: { $0.word == word }) {
            self = known.value
        } else if word.hasPrefix(Self.fastPissa),
            let count = Int(word.dropFirst(Self.fastPissa.count)), count >= 0
        {
            self = .fastPissa(iterations: count)
        } else {
            return nil
        }
    }

    /// As PEFT calls it.
    var word: String {
        if case .fastPissa(let iterations) = self { return "\(Self.fastPissa)\(iterations)" }
        guard let word = Self.plain.first(where: { $0.value == self })?.word else {
            preconditionFailure("\(self) has no word")
        }
        return word
    }

    /// Whether factors are made of the weight or of data, instead of being drawn.
    var isComputed: Bool {
        switch self {
        case .standard, .random, .gaussian: false
        case .orthogonal, .pissa, .fastPissa, .olora, .loftQ, .mica, .eva, .corda, .loraGA: true
        }
    }

    /// Whether the frozen weight is no longer the file's.
    var changesWeight: Bool {
        switch self {
        case .pissa, .fastPissa, .olora, .loftQ, .corda, .loraGA: true
        case .standard, .random, .gaussian, .orthogonal, .mica, .eva: false
        }
    }

    /// Whether the model has to see data before it has an adapter.
    public var needsData: Bool { [.eva, .corda, .loraGA].contains(self) }

    init(_ reader: ConfigurationReader) throws(FileError) {
        guard let value = reader.value("init_lora_weights") else {
            self = .standard
            return
        }
        let word = value.boolValue.map { "\($0)" } ?? value.stringValue ?? value.text()
        guard let known = Self(word: word) else {
            let words = Self.plain.map(\.word) + ["\(Self.fastPissa)N"]
            throw reader.unsupported(
                "init_lora_weights", word, allowed: words.joined(separator: ", "))
        }
        self = known
    }

    var json: JSON {
        switch self {
        case .standard: true
        case .random: false
        default: .string(word)
        }
    }
}

extension LoRAConfiguration {
    /// What ``Initialization/loftQ`` does.
    public struct LoftQ: Sendable, Hashable {
        /// 4 (NF4) or 8.
        public var bits = 4
        /// How often weight and factors are fitted to each other.
        public var iterations = 1

        public init() {}
    }
}

extension LoRAConfiguration.LoftQ {
    init(_ reader: ConfigurationReader) throws(FileError) {
        guard let object = try reader.object("loftq_config") else { return }
        bits = try object.int("loftq_bits") ?? bits
        iterations = try object.size("loftq_iter", default: iterations)
        guard bits == 4 || bits == 8 else {
            throw object.unsupported("loftq_bits", "\(bits)", allowed: "4 and 8")
        }
    }

    var json: JSON { ["loftq_bits": .integer(bits), "loftq_iter": .integer(iterations)] }
}

extension [LoRAConfiguration.TokenRows] {
    /// A list where the embedding of tokens is meant, an object of lists where tables are named.
    var json: JSON {
        func list(_ rows: LoRAConfiguration.TokenRows) -> JSON {
            .array(rows.indices.map { .integer($0) })
        }
        guard let first else { return .null }
        guard first.table != nil else { return list(first) }
        var object = JSONObject()
        for rows in self { object[rows.table ?? ""] = list(rows) }
        return .object(object)
    }
}

extension ConfigurationReader {
    func tokenRows(_ key: String) throws(FileError) -> [LoRAConfiguration.TokenRows] {
        guard let value = value(key) else { return [] }
        guard let object = value.objectValue else {
            return try indices(value, key).map { [.init($0)] } ?? []
        }
        var tables: [LoRAConfiguration.TokenRows] = []
        for (name, list) in object.members {
            if let rows = try indices(list, "\(key).\(name)") {
                tables.append(.init(rows, of: name))
            }
        }
        return tables
    }

    /// Pairs of a first layer and the one after the last.
    func layerRanges(_ key: String) throws(FileError) -> [Range<Int>] {
        guard let value = value(key) else { return [] }
        var ranges: [Range<Int>] = []
        for pair in value.arrayValue ?? [] {
            let ends = pair.arrayValue?.compactMap(\.intValue) ?? []
            guard ends.count == 2, ends[0] >= 0, ends[0] < ends[1] else {
                throw FileError(path, "\(key) should be a list of pairs such as [0, 4]")
            }
            ranges.append(ends[0]..<ends[1])
        }
        return ranges
    }

    private func indices(_ json: JSON, _ key: String) throws(FileError) -> [Int]? {
        let numbers = json.arrayValue?.compactMap(\.intValue) ?? []
        guard let list = json.arrayValue, numbers.count == list.count,
            numbers.allSatisfy({ $0 >= 0 })
        else { throw FileError(path, "\(key) should be a list of token ids") }
        return numbers.isEmpty ? nil : numbers
    }
}
