internal import ApusBase

/// Everything between a text and its ids, as `tokenizer.json` describes it; immutable.
struct Pipeline: Sendable {
    var normalizers: [any TextStage] = []
    var splitters: [any TextStage] = []
    var model: any TokenModel
    var postProcessor = PostProcessor()
    var decoder: TokenDecoder
    var spelling: TokenSpelling

    /// For a byte-level decoder; see ``prepare()``.
    private(set) var tokenBytes = TokenBytes([])
    /// For a decoder of stages, where they allow it; see ``prepare()``.
    private(set) var stagedDecoding: StagedDecoding?
    /// By id, for a post-processor that trims offsets.
    private(set) var spaceEdges: [SpaceEdges] = []
    /// Whether ids alone depend on where in the caller's text rewritten text stood.
    private(set) var idsNeedSource = false

    private(set) var addedTokens: [AddedToken] = []
    private var addedByID: [Int32: AddedToken] = [:]
    private var addedByContent: [ByteKey: Int32] = [:]
    /// Searched for in the caller's text, and in the normalized text.
    private var plainMatcher = AddedTokenMatcher()
    private var normalizedMatcher = AddedTokenMatcher()

    init(model: any TokenModel, spelling: TokenSpelling, decoder: TokenDecoder) {
        self.model = model
        self.spelling = spelling
        self.decoder = decoder
    }

    /// Call when the normalizers are in place: tokens that are searched for in normalized text are
    /// normalized here.
    mutating func add(_ tokens: [AddedToken]) {
        for token in tokens {
            addedTokens.append(token)
            addedByID[token.id] = token
            addedByContent[ByteKey(token.content)] = token.id
            if token.normalized {
                var text = PreparedText(whole: Array(token.content.utf8))
                for stage in normalizers { stage.apply(to: &text) }
                normalizedMatcher.add(token, pattern: text.pieceBytes)
            } else {
                plainMatcher.add(token, pattern: Array(token.content.utf8))
            }
        }
        addedTokens.sort { $0.id < $1.id }
    }

    /// Call when all tokens are in place.
    mutating func prepare() {
        // What the first stage reads, none has rewritten.
        idsNeedSource = (normalizers + splitters).dropFirst().contains { $0.readsSource }
        let ids = 0..<Int32(idLimit)
        if case .byteLevel = decoder { tokenBytes = TokenBytes(ids.lazy.map(bytes)) }
        if case .stages(let stages) = decoder {
            stagedDecoding = StagedDecoding(stages, of: self)
        }
        if postProcessor.trim != nil { spaceEdges = ids.map(spaceEdges) }
    }

    var idLimit: Int {
        max(model.vocabulary.idLimit, Int(addedTokens.last?.id ?? -1) + 1)
    }

    func id(of token: String) -> Int32? {
        addedByContent[ByteKey(token)] ?? spelling.id(of: token, in: model.vocabulary)
    }

    func token(of id: Int32) -> String? {
        if let added = addedByID[id] { return added.content }
        return spelling.token(of: id, in: model.vocabulary)
    }

    func addedToken(_ id: Int32) -> AddedToken? { addedByID[id] }
}

extension Pipeline {
    func ids(
        of source: [UInt8], addSpecialTokens: Bool, with encoder: any PieceEncoder
    ) -> [Int32] {
        var run = TokenRun()
        forEachPart(of: source, tracksSource: idsNeedSource) { part in
            switch part {
            case .added(let id, _): run.append(id, from: 0, to: 0)
            case .text(let text):
                text.bytes.withUnsafeBufferPointer {
                    encoder.encode(text.pieces, of: $0, into: &run)
                }
            }
        }
        return addSpecialTokens ? postProcessor.wrap(run.ids) : run.ids
    }

    /// The tokens of a text before the post-processor; see ``trim(_:of:)``.
    func rawEncoding(of source: [UInt8], with encoder: any PieceEncoder) -> Encoding {
        var encoding = Encoding()
        forEachPart(of: source, tracksSource: true) { part in
            switch part {
            case .added(let id, let range): encoding.append(id, range)
            case .text(let text): append(text, to: &encoding, with: encoder)
            }
        }
        return encoding
    }

    private func append(
        _ text: PreparedText, to encoding: inout Encoding, with encoder: any PieceEncoder
    ) {
        var run = TokenRun()
        text.bytes.withUnsafeBufferPointer { bytes in
            encoder.encode(text.pieces, of: bytes, into: &run) { piece, run in
                for token in run.tokens {
                    let start = min(piece.lowerBound + Int(token.start), piece.upperBound)
                    let end = min(piece.lowerBound + Int(token.end), piece.upperBound)
                    encoding.append(token.id, text.sourceRange(of: start..<max(start, end)))
                }
                run.removeAll()
            }
        }
    }

    private enum Part {
        case added(Int32, Range<Int>)
        case text(PreparedText)
    }

    private func forEachPart(
        of source: [UInt8], tracksSource: Bool, _ body: (Part) -> Void
    ) {
        for part in plainMatcher.split(source, 0..<source.count) {
            switch part {
            case .token(let id, let range):
                body(.added(id, range))
            case .text(let segment):
                var text = PreparedText(
                    source: source, segment: segment, tracksSource: tracksSource)
                for stage in normalizers { stage.apply(to: &text) }
                forEachNormalizedPart(of: text, body)
            }
        }
    }

    private func forEachNormalizedPart(of text: PreparedText, _ body: (Part) -> Void) {
        for piece in text.pieces {
            for part in normalizedMatcher.split(text.bytes, piece) {
                switch part {
                case .token(let id, let range):
                    body(.added(id, text.sourceRange(of: range)))
                case .text(let range):
                    var rest = text
                    rest.pieces = [range]
                    for stage in splitters { stage.apply(to: &rest) }
                    body(.text(rest))
                }
            }
        }
    }
}
