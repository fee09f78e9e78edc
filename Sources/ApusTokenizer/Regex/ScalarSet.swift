/// A set of scalars as a pattern writes it: `[^\r\n\p{L}]`, `\d`, `\p{Han}`.
struct ScalarSet: Sendable {
    indirect enum Item: Sendable {
        case range(ClosedRange<UInt32>)
        case categories(CategorySet)
        case ranges([ClosedRange<UInt32>])
        case whiteSpace
        case set(ScalarSet)
    }

    var items: [Item] = []
    var isNegated = false

    init(_ items: [Item] = [], isNegated: Bool = false) {
        self.items = items
        self.isNegated = isNegated
    }

    static let digit = ScalarSet([.categories(CategorySet(.nd))])
    static let space = ScalarSet([.whiteSpace])
    static let alphabetic = ScalarSet([
        .categories([.letter, CategorySet(.nl)]), listed(CategoryTable.alphabeticExtra),
    ])
    /// `\w` as Oniguruma has it.
    static let word = ScalarSet([.set(.alphabetic), .categories([.mark, CategorySet(.nd, .pc)])])

    /// `\w` outside of brackets, where Oniguruma looks Latin-1 up in a table of its own, in which
    /// superscripts and fractions are words too.
    static let bareWord = ScalarSet([
        .set(.word), .range(0xB2...0xB3), .range(0xB9...0xB9), .range(0xBC...0xBE),
    ])

    private static func listed(_ ranges: StaticString) -> Item {
        .ranges(ScalarRanges.parse(ranges))
    }

    func contains(_ scalar: UInt32) -> Bool {
        items.contains { Self.contains(scalar, in: $0) } != isNegated
    }

    /// Whether the scalar or one that differs from it only in case is in the set.
    func contains(_ scalar: UInt32, ignoringCase: Bool) -> Bool {
        if !ignoringCase { return contains(scalar) }
        let plain = ScalarSet(items)
        return CaseVariants.of(scalar).contains { plain.contains($0) } != isNegated
    }

    private static func contains(_ scalar: UInt32, in item: Item) -> Bool {
        let table = ScalarTable.shared
        switch item {
        case .range(let range): return range.contains(scalar)
        case .categories(let set): return table.contains(scalar, in: set)
        case .ranges(let ranges): return ranges.contains { $0.contains(scalar) }
        case .whiteSpace: return table.isWhiteSpace(scalar)
        case .set(let set): return set.contains(scalar)
        }
    }

    /// What `\p{name}` means; nil for a property that is not known.
    init?(property name: String) {
        let plain = name.filter { $0 != " " && $0 != "_" && $0 != "-" }
        if let categories = CategorySet(name: plain) {
            self.init([.categories(categories)])
            return
        }
        switch plain.lowercased() {
        case "alpha", "alphabetic": self = .alphabetic
        case "digit": self = .digit
        case "alnum": self.init([.set(.alphabetic), .set(.digit)])
        case "space", "whitespace": self = .space
        case "word": self = .word
        case "upper", "uppercase":
            self.init([.categories(CategorySet(.lu)), Self.listed(CategoryTable.uppercaseExtra)])
        case "lower", "lowercase":
            self.init([.categories(CategorySet(.ll)), Self.listed(CategoryTable.lowercaseExtra)])
        case "any": self.init([.range(0...0x10FFFF)])
        default:
            guard let ranges = ScriptRanges.shared[plain.lowercased()] else { return nil }
            self.init([.ranges(ranges)])
        }
    }
}

/// Scalars that differ only in case.
enum CaseVariants {
    static func of(_ scalar: UInt32) -> [UInt32] {
        guard let properties = Unicode.Scalar(scalar)?.properties else { return [scalar] }
        var variants = [scalar]
        for mapping in [properties.lowercaseMapping, properties.uppercaseMapping] {
            if let only = single(mapping) { variants.append(only) }
        }
        // Lower-case of upper-case reaches the long s and the Kelvin sign's kin.
        if let upper = single(properties.uppercaseMapping),
            let again = Unicode.Scalar(upper)?.properties.lowercaseMapping,
            let lower = single(again)
        {
            variants.append(lower)
        }
        return variants
    }

    private static func single(_ text: String) -> UInt32? {
        text.unicodeScalars.count == 1 ? text.unicodeScalars.first?.value : nil
    }
}

/// The scripts of ``ScriptTable`` by lower-case name.
enum ScriptRanges {
    static let shared: [String: [ClosedRange<UInt32>]] = ScriptTable.text.withUTF8Buffer { buffer in
        var result: [String: [ClosedRange<UInt32>]] = [:]
        for entry in buffer.split(separator: UInt8(ascii: ";")) {
            let parts = entry.split(separator: UInt8(ascii: ":"))
            let name = String(decoding: parts[0], as: UTF8.self).lowercased()
            result[name] = ScalarRanges.parse(parts[1])
        }
        return result
    }
}
