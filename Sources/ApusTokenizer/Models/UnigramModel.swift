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

    func makeEncoder() -> any PieceEncoder { CachingEncoder(UnigramEncoder(self)) }

    fileprivate struct Step {
        var score = 0.0
        var start = -1
        var id: Int32 = -1
    }

    /// Finds the best last step to every position of the piece; `steps` has one more than bytes.
    fileprivate func findBestSteps(
        of piece: ByteBuffer, into steps: UnsafeMutableBufferPointer<Step>
    ) {
        guard let base = piece.baseAddress else { return }
        var start = 0
        while start < piece.count {
            let scoreHere = steps[start].score
            let length = min(base.scalar(at: start).length, piece.count - start)
            var coversCharacter = false
            trie.forEachPrefix(of: piece, from: start) { id, end in
                Self.improve(&steps[end], scoreHere + scores[Int(id)], start, id)
                if end - start == length { coversCharacter = true }
            }
            if !coversCharacter {
                let end = start + length
                Self.improve(&steps[end], scoreHere + unknownScore, start, unknownID ?? -1)
            }
            start += length
        }
    }

    @inline(__always)
    private static func improve(_ step: inout Step, _ score: Double, _ start: Int, _ id: Int32) {
        guard step.start < 0 || score > step.score else { return }
        step = Step(score: score, start: start, id: id)
    }
}

final class UnigramEncoder: PieceEncoder {
    private let model: UnigramModel
    private var steps: [UnigramModel.Step] = []
    private var path: [Part] = []

    private typealias Part = (id: Int32, range: Range<Int>)

    init(_ model: UnigramModel) { self.model = model }

    func encode(_ piece: ByteBuffer, into run: inout TokenRun) {
        // Taken out while they are used: Swift checks every use of an object's variable.
        var (steps, path): ([UnigramModel.Step], [Part]) = ([], [])
        swap(&steps, &self.steps)
        swap(&path, &self.path)
        defer {
            swap(&steps, &self.steps)
            swap(&path, &self.path)
        }
        steps.removeAll(keepingCapacity: true)
        steps.append(contentsOf: repeatElement(UnigramModel.Step(), count: piece.count + 1))
        steps.withUnsafeMutableBufferPointer { model.findBestSteps(of: piece, into: $0) }
        path.removeAll(keepingCapacity: true)
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
