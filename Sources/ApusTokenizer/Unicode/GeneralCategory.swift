/// The general category of a Unicode scalar; the raw value is the table's index.
enum GeneralCategory: UInt8, CaseIterable {
    case cn, lu, ll, lt, lm, lo, mn, mc, me, nd, nl, no, pc, pd, ps, pe, pi, pf, po
    case sm, sc, sk, so, zs, zl, zp, cc, cf, cs, co
}

/// A set of general categories, such as `\p{L}`.
struct CategorySet: OptionSet, Sendable, Hashable {
    let rawValue: UInt32

    init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ categories: GeneralCategory...) {
        rawValue = categories.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
    }

    static let letter = CategorySet(.lu, .ll, .lt, .lm, .lo)
    static let mark = CategorySet(.mn, .mc, .me)
    static let number = CategorySet(.nd, .nl, .no)
    static let punctuation = CategorySet(.pc, .pd, .ps, .pe, .pi, .pf, .po)
    static let symbol = CategorySet(.sm, .sc, .sk, .so)
    static let separator = CategorySet(.zs, .zl, .zp)
    static let other = CategorySet(.cn, .cc, .cf, .cs, .co)

    /// The set that a pattern's `\p{name}` means, or nil for a name that is no category.
    init?(name: some StringProtocol) {
        let groups: [String: CategorySet] = [
            "l": .letter, "m": .mark, "n": .number, "p": .punctuation, "s": .symbol,
            "z": .separator, "c": .other, "letter": .letter, "number": .number,
            "punctuation": .punctuation,
        ]
        let key = name.lowercased()
        if let group = groups[key] {
            self = group
        } else if let one = GeneralCategory.allCases.first(where: { "\($0)" == key }) {
            self = CategorySet(one)
        } else {
            return nil
        }
    }
}
