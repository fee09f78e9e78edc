/// The Unigram language model: of all ways to cut a piece, the most probable.
///
/// Source: Kudo, "Subword Regularization" (ACL 2018), in the form of HuggingFace tokenizers: the
/// unknown token costs 10 more than the least probable piece, and neighbouring unknown characters
/// are one.
struct UnigramModel: TokenModel {
    let vocabulary: Vocabulary
    /// Log-probabilities by id.
    let scores: [Double]
    let unknownID: Int32?
    /// `<0x00>` to `<0xFF>`, which spell what has no piece; nil without fallback.
    let fallback: [Int32?]?
    private let trie: ByteTrie
    private let unknownScore: Double

    init(
        vocabulary: Vocabulary, scores: [Double], unknownID: Int32?, fallback: [Int32?]?
    ) {
        self.vocabulary = vocabulary
        self.scores = scores
        self.unknownID = unknownID
        self.fallback = fallback
        var trie = ByteTrie()
        for id in scores.indices {
            trie.add(Array(vocabulary.bytes(of: Int32(id))), value: Int32(id))
        }
        self.trie = trie
        unknownScore = (scores.min() ?? 0) - 10
    }

    func makeEncoder() -> any PieceEncoder { UnigramEncoder(self) }

    fileprivate struct Step {
        var score = 0.0
        var start = -1
        var id: Int32 = -1
    }

    /// The best last step to every position of the piece.
    fileprivate func bestSteps(_ piece: ByteBuffer) -> [Step] {
        var steps = [Step](repeating: Step(), count: piece.count + 1)
        guard let base = piece.baseAddress else { return steps }
        var start = 0
        while start < piece.count {
            let scoreHere = steps[start].score
            let length = min(base.scalar(at: start).length, piece.count - start)
            var coversCharacter = false
            trie.forEachPrefix(of: piece, from: start) { id, end in
                improve(&steps[end], scoreHere + scores[Int(id)], start, id)
                if end - start == length { coversCharacter = true }
            }
            if !coversCharacter {
                improve(&steps[start + length], scoreHere + unknownScore, start, unknownID ?? -1)
            }
            start += length
        }
        return steps
    }

    private func improve(_ step: inout Step, _ score: Double, _ start: Int, _ id: Int32) {
        guard step.start < 0 || score > step.score else { return }
        step = Step(score: score, start: start, id: id)
    }
}

final class UnigramEncoder: PieceEncoder {
    private let model: UnigramModel
    private let cache = WordCache()

    init(_ model: UnigramModel) { self.model = model }

    func encode(_ piece: ByteBuffer, into run: inout TokenRun) {
        guard piece.count <= WordCache.keyLimit else { return encodeAnew(piece, into: &run) }
        let hash = ByteHash.hash(piece)
        if cache.lookUp(piece, hash: hash, into: &run) { return }
        let first = run.count
        encodeAnew(piece, into: &run)
        cache.insert(piece, hash: hash, tokensFrom: first, of: run)
    }

    private func encodeAnew(_ piece: ByteBuffer, into run: inout TokenRun) {
        let steps = model.bestSteps(piece)
        var path: [(id: Int32, range: Range<Int>)] = []
        var end = piece.count
        while end > 0 {
            let step = steps[end]
            let isUnknown = step.id == (model.unknownID ?? -1)
            if isUnknown, let last = path.last, last.id == step.id, last.range.lowerBound == end {
                path[path.count - 1].range = step.start..<last.range.upperBound
            } else {
                path.append((step.id, step.start..<end))
            }
            end = step.start
        }
        for (id, range) in path.reversed() { append(id, range, of: piece, to: &run) }
    }

    private func append(
        _ id: Int32, _ range: Range<Int>, of piece: ByteBuffer, to run: inout TokenRun
    ) {
        let isUnknown = id == (model.unknownID ?? -1)
        if isUnknown, model.vocabulary.id(of: ByteBuffer(rebasing: piece[range])) == nil,
            let fallback = model.fallback
        {
            let ids = piece[range].map { fallback[Int($0)] }
            if !ids.contains(nil) {
                for id in ids.compactMap({ $0 }) {
                    run.append(id, from: range.lowerBound, to: range.upperBound)
                }
                return
            }
        }
        if id >= 0 { run.append(id, from: range.lowerBound, to: range.upperBound) }
    }
}

/// Finds all entries that begin at a place.
struct ByteTrie: Sendable {
    private struct Node {
        var children: [UInt8: Int32] = [:]
        var value: Int32 = -1
    }

    private var nodes = [Node()]

    mutating func add(_ key: [UInt8], value: Int32) {
        guard !key.isEmpty else { return }
        var node = 0
        for byte in key {
            if let child = nodes[node].children[byte] {
                node = Int(child)
            } else {
                nodes.append(Node())
                nodes[node].children[byte] = Int32(nodes.count - 1)
                node = nodes.count - 1
            }
        }
        nodes[node].value = value
    }

    func forEachPrefix(of text: ByteBuffer, from start: Int, _ body: (Int32, Int) -> Void) {
        var node = 0
        var index = start
        while index < text.count, let child = nodes[node].children[text[index]] {
            node = Int(child)
            index += 1
            if nodes[node].value >= 0 { body(nodes[node].value, index) }
        }
    }
}
