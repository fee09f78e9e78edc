/// The data of Unicode normalization (UAX 15), unpacked from the generated tables once.
struct NormalizationData: Sendable {
    static let shared = NormalizationData()

    private let canonical: [UInt32: [UInt32]]
    private let compatible: [UInt32: [UInt32]]
    private let compositions: [UInt64: UInt32]
    private let combiningClasses: [UInt32: UInt8]
    /// By scalar: one bit for each form in which text with it may change. No scalar above the last
    /// entry changes.
    private let changes: [UInt8]

    private init() {
        canonical = Self.mappings(CanonicalTable.decompositions)
        compatible = Self.mappings(CompatibilityTable.decompositions)
        combiningClasses = Self.classes(CanonicalTable.combiningClasses)
        var compositions: [UInt64: UInt32] = [:]
        var composable = Set(combiningClasses.keys)
        var composed: Set<UInt32> = []
        for (pair, scalar) in Self.entries(CanonicalTable.compositions) {
            compositions[Self.pair(pair[0], pair[1])] = scalar[0]
            composable.insert(pair[1])
            composed.insert(scalar[0])
        }
        for scalar in canonical.keys where !composed.contains(scalar) { composable.insert(scalar) }
        self.compositions = compositions
        changes = Self.changes(
            composable: composable, combining: combiningClasses.keys, canonical: canonical.keys,
            compatible: compatible.keys)
    }

    private static func changes(
        composable: Set<UInt32>, combining: some Collection<UInt32>,
        canonical: some Collection<UInt32>, compatible: some Collection<UInt32>
    ) -> [UInt8] {
        let all = [Array(composable), Array(combining), Array(canonical), Array(compatible)]
        var changes = [UInt8](repeating: 0, count: Int(all.joined().max() ?? 0) + 1)
        func add(_ scalars: some Sequence<UInt32>, _ forms: UnicodeNormalizer.Form...) {
            for scalar in scalars { for form in forms { changes[Int(scalar)] |= form.bit } }
        }
        add(composable, .nfc, .nfkc)
        add(combining, .nfd, .nfkd)
        add(canonical, .nfd, .nfkd, .nfkc)
        add(compatible, .nfkd, .nfkc)
        add(Hangul.syllables, .nfd, .nfkd, .nfkc)
        add(Hangul.jamo, .nfc, .nfkc)
        return changes
    }

    /// Whether text with this scalar may differ from its normal form.
    @inline(__always)
    func mayChange(_ scalar: UInt32, in form: UnicodeNormalizer.Form) -> Bool {
        scalar < UInt32(changes.count) && changes[Int(scalar)] & form.bit != 0
    }

    func combiningClass(_ scalar: UInt32) -> UInt8 {
        scalar < 0x300 ? 0 : combiningClasses[scalar] ?? 0
    }

    /// The full decomposition; nil when the scalar stands for itself.
    func decomposition(_ scalar: UInt32, compatible useCompatible: Bool) -> [UInt32]? {
        if scalar < 0xA0 { return nil }
        if Hangul.isSyllable(scalar) { return Hangul.decompose(scalar) }
        if useCompatible, let mapping = compatible[scalar] { return mapping }
        return canonical[scalar]
    }

    func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        Hangul.compose(first, second) ?? compositions[Self.pair(first, second)]
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 {
        UInt64(first) << 32 | UInt64(second)
    }

    /// `1 2=3;4=5 6`, all in hexadecimal.
    private static func entries(_ text: StaticString) -> [([UInt32], [UInt32])] {
        text.withUTF8Buffer { buffer in
            buffer.split(separator: UInt8(ascii: ";")).map { entry in
                let sides = entry.split(separator: UInt8(ascii: "=")).map { side in
                    side.split(separator: UInt8(ascii: " ")).map(ScalarRanges.hexadecimal)
                }
                return (sides[0], sides[1])
            }
        }
    }

    private static func mappings(_ text: StaticString) -> [UInt32: [UInt32]] {
        Dictionary(uniqueKeysWithValues: entries(text).map { ($0[0], $1) })
    }

    /// `230=300-314 33d;...`: the class in decimal, the scalars in hexadecimal.
    private static func classes(_ text: StaticString) -> [UInt32: UInt8] {
        var result: [UInt32: UInt8] = [:]
        text.withUTF8Buffer { buffer in
            for entry in buffer.split(separator: UInt8(ascii: ";")) {
                let sides = entry.split(separator: UInt8(ascii: "="))
                let number = sides[0].reduce(0) { $0 * 10 + Int($1) - 48 }
                for range in ScalarRanges.parse(sides[1]) {
                    for scalar in range { result[scalar] = UInt8(number) }
                }
            }
        }
        return result
    }
}

/// Korean syllables, composed and decomposed by arithmetic (The Unicode Standard, section 3.12).
enum Hangul {
    private static let syllableBase: UInt32 = 0xAC00
    private static let leadBase: UInt32 = 0x1100
    private static let vowelBase: UInt32 = 0x1161
    private static let tailBase: UInt32 = 0x11A7
    private static let leadCount: UInt32 = 19
    private static let vowelCount: UInt32 = 21
    private static let tailCount: UInt32 = 28
    private static let syllableCount: UInt32 = 11172

    static func isSyllable(_ scalar: UInt32) -> Bool { scalar &- syllableBase < syllableCount }

    static let syllables = syllableBase..<syllableBase + syllableCount
    static let jamo = leadBase..<leadBase + 0x100

    static func decompose(_ syllable: UInt32) -> [UInt32] {
        let index = syllable - syllableBase
        let tail = index % tailCount
        let vowel = index / tailCount % vowelCount
        let lead = index / (tailCount * vowelCount)
        let pair = [leadBase + lead, vowelBase + vowel]
        return tail == 0 ? pair : pair + [tailBase + tail]
    }

    static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        let lead = first &- leadBase
        let vowel = second &- vowelBase
        if lead < leadCount, vowel < vowelCount {
            return syllableBase + (lead * vowelCount + vowel) * tailCount
        }
        let tail = second &- tailBase
        let isOpen = isSyllable(first) && (first - syllableBase) % tailCount == 0
        return isOpen && tail > 0 && tail < tailCount ? first + tail : nil
    }
}
