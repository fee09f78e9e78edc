internal import ApusBase

/// Everything between a text and its ids, as `tokenizer.json` describes it; immutable.
struct Pipeline: Sendable {
    var normalizers: [any TextStage] = []
    var splitters: [any TextStage] = []
    var model: any TokenModel
    var postProcessor = PostProcessor()
    var decoder: TokenDecoder
    var spelling: TokenSpelling

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
        forEachPart(of: source) { part in
            switch part {
            case .added(let id, _): run.append(id, from: 0, to: 0)
            case .text(let text): encodePieces(of: text, into: &run, with: encoder)
            }
        }
        return addSpecialTokens ? postProcessor.wrap(run.ids) : run.ids
    }

    func encoding(
        of source: [UInt8], addSpecialTokens: Bool, with encoder: any PieceEncoder
    ) -> Encoding {
        var encoding = Encoding()
        var run = TokenRun()
        forEachPart(of: source) { part in
            switch part {
            case .added(let id, let range): encoding.append(id, range)
            case .text(let text):
                run.removeAll()
                let ends = encodePieces(of: text, into: &run, with: encoder)
                append(run, of: text, ends, to: &encoding)
            }
        }
        trimOffsets(&encoding, of: source)
        return addSpecialTokens ? postProcessor.wrap(encoding) : encoding
    }

    private enum Part {
        case added(Int32, Range<Int>)
        case text(PreparedText)
    }

    private func forEachPart(of source: [UInt8], _ body: (Part) -> Void) {
        for part in plainMatcher.split(source, 0..<source.count) {
            switch part {
            case .token(let id, let range):
                body(.added(id, range))
            case .text(let segment):
                var text = PreparedText(source: source, segment: segment)
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

    /// Appends the tokens of all pieces to `run`; returns the number of tokens after each piece.
    @discardableResult
    private func encodePieces(
        of text: PreparedText, into run: inout TokenRun, with encoder: any PieceEncoder
    ) -> [Int] {
        var ends: [Int] = []
        ends.reserveCapacity(text.pieces.count)
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in text.pieces {
                encoder.encode(ByteBuffer(rebasing: bytes[piece]), into: &run)
                ends.append(run.ids.count)
            }
        }
        return ends
    }

    private func append(
        _ run: TokenRun, of text: PreparedText, _ ends: [Int], to encoding: inout Encoding
    ) {
        var index = 0
        for (piece, tokenEnd) in zip(text.pieces, ends) {
            while index < tokenEnd {
                let range = run.ranges[index]
                let start = min(piece.lowerBound + Int(range.start), piece.upperBound)
                let end = min(piece.lowerBound + Int(range.end), piece.upperBound)
                encoding.append(run.ids[index], text.sourceRange(of: start..<max(start, end)))
                index += 1
            }
        }
    }
}
