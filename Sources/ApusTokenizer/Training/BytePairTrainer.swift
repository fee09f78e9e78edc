internal import ApusBase

/// Learns a byte-level byte-pair encoding from texts: the same merges in the same order as the
/// trainer of HuggingFace `tokenizers`.
///
/// Source: Sennrich, Haddow, Birch: "Neural Machine Translation of Rare Words with Subword Units"
/// (ACL 2016).
public struct BytePairTrainer: Sendable {
    public struct Options: Sendable {
        /// Tokens in all: special ones, the 256 bytes, merges. Fewer come out of a small corpus.
        public var vocabularySize = 32_768
        /// A pair that stands together less often is not merged.
        public var minimumFrequency = 0
        /// Take the first ids. The first of them ends a text.
        public var specialTokens = ["<|endoftext|>"]

        public init() {}
    }

    private let family: ByteLevelFamily
    private let normalizers: [any TextStage]
    private let splitters: [any TextStage]
    private var wordCounts: [[UInt8]: Int] = [:]

    /// How texts can be cut into the pieces that no merge crosses.
    public static var splits: [String] { ByteLevelFamily.all.map { $0.names[0] } }

    /// - Parameter split: one of ``splits``; nil for any other name.
    public init?(split: String) throws {
        guard let family = ByteLevelFamily.all.first(where: { $0.names[0] == split }) else {
            return nil
        }
        self.family = family
        let place = "the split \(split)"
        let root: JSON = ["normalizer": family.normalizer, "pre_tokenizer": family.preTokenizer]
        let reader = JSONReader(root, file: place)
        normalizers = try NormalizerReader.stages(reader.member("normalizer"))
        splitters = try PreTokenizerReader.splitting(reader.member("pre_tokenizer")).stages
    }

    /// Number of different pieces in the texts so far.
    public var wordCount: Int { wordCounts.count }

    /// Counts the pieces of more texts.
    ///
    /// - Parameter threadCount: at least 1; more than the machine has cores gains nothing.
    public mutating func add(_ texts: [String], threadCount: Int = 1) {
        let trainer = self
        let blocks = stride(from: 0, to: texts.count, by: 64).map {
            Array(texts[$0..<min($0 + 64, texts.count)])
        }
        for counts in BatchWork.map(blocks, threadCount: threadCount, trainer.counts) {
            for (word, count) in counts { wordCounts[word, default: 0] += count }
        }
    }

    @Sendable private func counts(in texts: [String]) -> [[UInt8]: Int] {
        var counts: [[UInt8]: Int] = [:]
        for text in texts {
            var prepared = PreparedText(whole: Array(text.utf8))
            for stage in normalizers { stage.apply(to: &prepared) }
            for stage in splitters { stage.apply(to: &prepared) }
            for piece in prepared.pieces { counts[Array(prepared.bytes[piece]), default: 0] += 1 }
        }
        return counts
    }

    /// A tokenizer with the merges that the texts so far call for.
    ///
    /// Throws ``TokenizerError`` when two special tokens are equal or the size leaves no room for
    /// the bytes.
    public func train(_ options: Options = Options()) throws -> Tokenizer {
        var table = TokenTable()
        for token in options.specialTokens where !table.add(token) {
            throw fault("the special token \"\(token)\" is given twice")
        }
        let bytes = ByteAlphabet.scalars.enumerated().sorted { $0.element < $1.element }
        for (byte, _) in bytes { table.add(ByteAlphabet.encode([UInt8(byte)])) }
        guard options.vocabularySize >= table.count else {
            throw fault("\(options.vocabularySize) tokens are fewer than \(table.count)")
        }
        var learner = MergeLearner(words: wordCounts, table: table)
        learner.learn(options)
        return try tokenizer(learner, options)
    }

    private func fault(_ problem: String) -> TokenizerError {
        TokenizerError(
            file: "training a tokenizer", problem,
            remedy: "the size counts the special tokens and the 256 bytes too")
    }

    private func tokenizer(_ learner: MergeLearner, _ options: Options) throws -> Tokenizer {
        var files = TokenizerFiles()
        let json = json(learner, options)
        files.files.append(.init(name: TokenizerFiles.tokenizer, text: json.text(.indented)))
        var configuration: JSONObject = ["tokenizer_class": "PreTrainedTokenizerFast"]
        if let end = options.specialTokens.first {
            for key in ["bos_token", "eos_token", "pad_token"] {
                configuration[key] = .string(end)
            }
        }
        let text = JSON.object(configuration).text(.indented) + "\n"
        files.files.append(.init(name: TokenizerFiles.configuration, text: text))
        return try Tokenizer(files: files, folder: "")
    }

    private func json(_ learner: MergeLearner, _ options: Options) -> JSON {
        var vocabulary = JSONObject()
        for (id, token) in learner.table.tokens.enumerated() { vocabulary[token] = .integer(id) }
        let added = options.specialTokens.enumerated().map { id, token -> JSON in
            [
                "id": .integer(id), "content": .string(token), "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false, "special": true,
            ]
        }
        let merges = learner.merges.map { JSON.array([.string($0.left), .string($0.right)]) }
        return [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
            "normalizer": family.normalizer, "pre_tokenizer": family.preTokenizer,
            "post_processor": ByteLevelFamily.byteLevel(usesPattern: true),
            "decoder": ByteLevelFamily.byteLevel(usesPattern: true),
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": .null,
                "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": false,
                "byte_fallback": false, "ignore_merges": .bool(family.takesWholePieces),
                "vocab": .object(vocabulary), "merges": .array(merges),
            ],
        ]
    }
}

/// Tokens by id and back.
struct TokenTable {
    private(set) var tokens: [String] = []
    private var ids: [ByteKey: Int32] = [:]

    var count: Int { tokens.count }

    func id(of token: String) -> Int32? { ids[ByteKey(token)] }

    /// Returns whether the token is new.
    @discardableResult
    mutating func add(_ token: String) -> Bool {
        guard ids[ByteKey(token)] == nil else { return false }
        ids[ByteKey(token)] = Int32(tokens.count)
        tokens.append(token)
        return true
    }
}
