/// Reads the `pre_tokenizer` of a `tokenizer.json`.
enum PreTokenizerReader {
    struct Splitting {
        var stages: [any TextStage] = []
        /// The model works on bytes: the last stage is `ByteLevel`.
        var endsInBytes = false
    }

    private static let keys = [
        "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
        "Digits": ["individual_digits"],
        "Sequence": ["pretokenizers"],
        "Split": ["pattern", "behavior", "invert"],
    ]

    static func stages(_ node: JSONReader?) throws(TokenizerError) -> Splitting {
        var splitting = Splitting()
        if let node { try append(node, to: &splitting) }
        return splitting
    }

    private static func append(
        _ node: JSONReader, to splitting: inout Splitting
    ) throws(TokenizerError) {
        let type = try node.type("pre-tokenizer", keys: keys)
        if splitting.endsInBytes {
            throw node.fault("a pre-tokenizer after ByteLevel is not supported")
        }
        switch type {
        case "Sequence":
            for element in try node.required("pretokenizers").elements() {
                try append(element, to: &splitting)
            }
        case "ByteLevel":
            if try node.bool("add_prefix_space", default: true) {
                splitting.stages.append(PrefixSpaceStage())
            }
            if try node.bool("use_regex", default: true) {
                splitting.stages.append(ScannerStage(scanner: GPT2Scanner()))
            }
            splitting.endsInBytes = true
        case "Digits":
            let isolatesEach = try node.bool("individual_digits", default: false)
            splitting.stages.append(ScannerStage(scanner: DigitScanner(isolatesEach: isolatesEach)))
        default:
            splitting.stages.append(try SplitReader.stage(node))
        }
    }
}

/// Reads a `Split` pre-tokenizer.
enum SplitReader {
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let gpt2 =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    static func cl100k(_ digits: String) -> String {
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    static func stage(_ node: JSONReader) throws(TokenizerError) -> any TextStage {
        let pattern = try node.required("pattern")
        try pattern.expectKeys(["Regex", "String"])
        let behavior = try node.string("behavior")
        let inverted = try node.bool("invert", default: false)
        // These patterns match everything, so that keeping the matches and keeping all is the same.
        let keepsMatches = behavior == "Isolated" && !inverted || behavior == "Removed" && inverted
        if keepsMatches, let regex = try pattern.member("Regex")?.string(),
            let stage = publishedStage(regex)
        {
            return stage
        }
        throw node.fault("this split pattern is not supported")
    }

    /// The hand-written scanner for a pattern that many tokenizers share.
    private static func publishedStage(_ regex: String) -> (any TextStage)? {
        switch regex {
        case gpt2: ScannerStage(scanner: GPT2Scanner())
        case cl100k(#"\p{N}{1,3}"#): ScannerStage(scanner: CL100KScanner(digitLimit: 3))
        case cl100k(#"\p{N}"#): ScannerStage(scanner: CL100KScanner(digitLimit: 1))
        default: nil
        }
    }
}
