/// Reads the `pre_tokenizer` of a `tokenizer.json`.
enum PreTokenizerReader {
    struct Splitting {
        var stages: [any TextStage] = []
        /// The last stage is `ByteLevel`, and the text is still its plain bytes: the model can work
        /// on those. Otherwise call ``spellBytes()``.
        var endsInBytes = false

        /// Writes bytes as their stand-ins from here on.
        mutating func spellBytes() {
            guard endsInBytes else { return }
            stages.append(ByteAlphabetStage())
            endsInBytes = false
        }
    }

    private static let keys = [
        "BertPreTokenizer": [],
        "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
        "CharDelimiterSplit": ["delimiter"],
        "Digits": ["individual_digits"],
        "FixedLength": ["length"],
        "Metaspace": ["replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"],
        "Punctuation": ["behavior"],
        "Sequence": ["pretokenizers"],
        "Split": ["pattern", "behavior", "invert"],
        "UnicodeScripts": [],
        "Whitespace": [],
        "WhitespaceSplit": [],
    ]

    static func splitting(_ node: JSONReader?) throws(TokenizerError) -> Splitting {
        var splitting = Splitting()
        if let node { try append(node, to: &splitting) }
        return splitting
    }

    private static func append(
        _ node: JSONReader, to splitting: inout Splitting
    ) throws(TokenizerError) {
        let type = try node.type("pre-tokenizer", keys: keys)
        if type == "Sequence" {
            for element in try node.required("pretokenizers").elements() {
                try append(element, to: &splitting)
            }
            return
        }
        splitting.spellBytes()
        if type == "ByteLevel" {
            try appendByteLevel(node, to: &splitting)
        } else {
            splitting.stages += try stages(type, node)
        }
    }

    private static func appendByteLevel(
        _ node: JSONReader, to splitting: inout Splitting
    ) throws(TokenizerError) {
        if try node.bool("add_prefix_space", default: true) {
            splitting.stages.append(PrefixSpaceStage())
        }
        if try node.bool("use_regex", default: true) {
            splitting.stages.append(ScannerStage(scanner: GPT2Scanner()))
        }
        splitting.endsInBytes = true
    }

    private static func stages(
        _ type: String, _ node: JSONReader
    ) throws(TokenizerError) -> [any TextStage] {
        switch type {
        case "BertPreTokenizer":
            return [CharacterSplitStage.whiteSpace, CharacterSplitStage.punctuation(.isolated)]
        case "CharDelimiterSplit":
            let delimiter = try PatternReader.scalar(node.required("delimiter"))
            return [CharacterSplitStage(behavior: .removed) { $0 == delimiter }]
        case "Digits":
            let isolatesEach = try node.bool("individual_digits", default: false)
            return [ScannerStage(scanner: DigitScanner(isolatesEach: isolatesEach))]
        case "FixedLength":
            let length = try node.required("length")
            guard try length.integer() > 0 else {
                throw length.fault("the length must be positive")
            }
            return [ScannerStage(scanner: FixedLengthScanner(characterCount: try length.integer()))]
        case "Metaspace":
            return [try metaspace(node)]
        case "Punctuation":
            let behavior = try node.member("behavior").map(behavior) ?? .isolated
            return [CharacterSplitStage.punctuation(behavior)]
        case "UnicodeScripts":
            return [ScriptSplitStage()]
        case "Whitespace":
            return [WordSplitStage()]
        case "WhitespaceSplit":
            return [CharacterSplitStage.whiteSpace]
        default:
            return [try SplitReader.stage(node)]
        }
    }

    private static func metaspace(_ node: JSONReader) throws(TokenizerError) -> MetaspaceStage {
        let replacement = try PatternReader.scalar(node.required("replacement"))
        var prepending = MetaspaceStage.Prepending.always
        if let scheme = node.member("prepend_scheme") {
            guard let known = MetaspaceStage.Prepending(rawValue: try scheme.string()) else {
                throw scheme.fault(
                    "\"\(try scheme.string())\" is not known: first, never or always")
            }
            prepending = known
        } else if try !node.bool("add_prefix_space", default: true) {
            prepending = .never
        }
        return MetaspaceStage(
            replacement: replacement, prepending: prepending,
            splits: try node.bool("split", default: true))
    }

    static func behavior(_ node: JSONReader) throws(TokenizerError) -> SplitBehavior {
        // Some files write the names as Python has them.
        let name = try node.string()
        let joined = name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }
        guard let behavior = SplitBehavior(rawValue: joined.joined()) else {
            throw node.fault("the behavior \"\(name)\" is not known")
        }
        return behavior
    }
}

/// Reads a `Split` pre-tokenizer.
enum SplitReader {
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let gpt2 =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    /// Words that end where capitals begin anew.
    static let o200k: String = {
        let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
        let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
        let prefix = #"[^\r\n\p{L}\p{N}]?"#
        return prefix + upper + "*" + lower + "+" + contractions + "?|"
            + prefix + upper + "+" + lower + "*" + contractions
            + #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }()

    static func cl100k(_ digits: String) -> String {
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    static func stage(_ node: JSONReader) throws(TokenizerError) -> any TextStage {
        let pattern = try node.required("pattern")
        let behavior = try PreTokenizerReader.behavior(node.required("behavior"))
        let isInverted = try node.bool("invert", default: false)
        // The published patterns match everything: keeping the matches and keeping all is the same.
        let keepsMatches = isInverted ? behavior == .removed : behavior == .isolated
        if keepsMatches, let regex = try pattern.member("Regex")?.string(),
            let stage = publishedStage(regex)
        {
            return stage
        }
        return SplitStage(
            pattern: try PatternReader.pattern(pattern), behavior: behavior, isInverted: isInverted)
    }

    /// The hand-written scanner for a pattern that many tokenizers share.
    private static func publishedStage(_ regex: String) -> (any TextStage)? {
        switch regex {
        case gpt2: ScannerStage(scanner: GPT2Scanner())
        case cl100k(#"\p{N}{1,3}"#): ScannerStage(scanner: CL100KScanner(digitLimit: 3))
        case cl100k(#"\p{N}"#): ScannerStage(scanner: CL100KScanner(digitLimit: 1))
        case o200k: ScannerStage(scanner: O200KScanner())
        default: nil
        }
    }
}
