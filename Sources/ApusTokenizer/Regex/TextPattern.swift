/// What `Split` and `Replace` look for.
enum TextPattern: Sendable {
    case literal([UInt8])
    case regex(RegexProgram)

    /// All matches in `range`, left to right.
    func matches(in text: ByteBuffer, _ range: Range<Int>) -> [Range<Int>] {
        switch self {
        case .regex(let program):
            guard var matcher = RegexMatcher(text, range) else { return [] }
            return matcher.matches(of: program)
        case .literal(let wanted):
            guard let first = wanted.first else { return [] }
            var result: [Range<Int>] = []
            var start = range.lowerBound
            while start + wanted.count <= range.upperBound {
                if text[start] == first, text[start..<start + wanted.count].elementsEqual(wanted) {
                    result.append(start..<start + wanted.count)
                    start += wanted.count
                } else {
                    start += 1
                }
            }
            return result
        }
    }
}
