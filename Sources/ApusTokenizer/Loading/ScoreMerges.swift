internal import ApusBase

/// Merges for a vocabulary that has only scores, as SentencePiece's byte pairs do: every way to put
/// a token together from two others, the likelier token first.
///
/// Of equally likely ones those with longer parts come first, and then those with lower ids: the
/// order in which `transformers` writes the merges when it converts such a model.
struct ScoreMerges {
    private struct Merge {
        let left: Int
        let right: Int
        let score: Float
        let leftLength: Int
        let rightLength: Int
    }

    private let tokens: [String]
    private var merges: [Merge] = []

    init(tokens: [String], scores: [Float], isSpecial: [Bool]) {
        self.tokens = tokens
        var ids: [ByteKey: Int] = [:]
        for (id, token) in tokens.enumerated() where !isSpecial[id] { ids[ByteKey(token)] = id }
        for (id, token) in tokens.enumerated() where !isSpecial[id] {
            let scalars = Array(token.unicodeScalars)
            guard scalars.count > 1 else { continue }
            var local: [Merge] = []
            for length in 1..<scalars.count {
                var (left, right) = ("", "")
                left.unicodeScalars.append(contentsOf: scalars[..<length])
                right.unicodeScalars.append(contentsOf: scalars[length...])
                guard let leftID = ids[ByteKey(left)], let rightID = ids[ByteKey(right)] else {
                    continue
                }
                local.append(
                    Merge(
                        left: leftID, right: rightID, score: scores[id], leftLength: length,
                        rightLength: scalars.count - length))
            }
            merges += local.sorted { ($0.left, $0.right) < ($1.left, $1.right) }
        }
        // Stable, so that what is equal in all three keeps the order above.
        merges = merges.enumerated().sorted { left, right in
            let (a, b) = (left.element, right.element)
            if a.score != b.score { return a.score > b.score }
            if a.leftLength != b.leftLength { return a.leftLength > b.leftLength }
            if a.rightLength != b.rightLength { return a.rightLength > b.rightLength }
            return left.offset < right.offset
        }.map(\.element)
    }

    var json: [JSON] {
        merges.map { [.string(tokens[$0.left]), .string(tokens[$0.right])] }
    }
}
