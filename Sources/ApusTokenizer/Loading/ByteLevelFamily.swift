internal import ApusBase

/// What GGUF's name of a split pattern stands for in a `tokenizer.json`.
struct ByteLevelFamily {
    let names: [String]
    var normalizer: JSON = .null
    let preTokenizer: JSON
    var takesWholePieces = false
    var addsBeginningOfText = false

    static let all = [
        ByteLevelFamily(names: ["gpt-2"], preTokenizer: byteLevel(usesPattern: true)),
        ByteLevelFamily(
            names: ["smollm", "starcoder"],
            preTokenizer: [
                "type": "Sequence",
                "pretokenizers": [
                    ["type": "Digits", "individual_digits": true], byteLevel(usesPattern: true),
                ],
            ]),
        ByteLevelFamily(
            names: ["llama-bpe", "llama3", "llama-v3"],
            preTokenizer: splitThenBytes(SplitReader.cl100k(#"\p{N}{1,3}"#)),
            takesWholePieces: true, addsBeginningOfText: true),
        // OLMo 2, Phi-4, SmolLM3.
        ByteLevelFamily(
            names: ["smaug-bpe", "dbrx"],
            preTokenizer: splitThenBytes(SplitReader.cl100k(#"\p{N}{1,3}"#))),
        ByteLevelFamily(
            names: ["qwen2"], normalizer: ["type": "NFC"],
            preTokenizer: splitThenBytes(SplitReader.cl100k(#"\p{N}"#))),
        ByteLevelFamily(names: ["gpt-4o"], preTokenizer: splitThenBytes(SplitReader.o200k)),
        // GPT-NeoX and Pythia.
        ByteLevelFamily(
            names: ["olmo", "mpt"], normalizer: ["type": "NFC"],
            preTokenizer: byteLevel(usesPattern: true)),
    ]

    private static func splitThenBytes(_ pattern: String) -> JSON {
        [
            "type": "Sequence",
            "pretokenizers": [
                [
                    "type": "Split", "pattern": ["Regex": .string(pattern)],
                    "behavior": "Isolated", "invert": false,
                ],
                byteLevel(usesPattern: false),
            ],
        ]
    }

    /// `ByteLevel` as a pre-tokenizer, post-processor or decoder.
    static func byteLevel(usesPattern: Bool) -> JSON {
        [
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": .bool(usesPattern),
        ]
    }
}
