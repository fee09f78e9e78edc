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
            let count = wanted.count
            var result: [Range<Int>] = []
            var start = range.lowerBound
            while start &+ count <= range.upperBound {
                guard text[start] == first,
                    count == 1 || text[start..<start + count].elementsEqual(wanted)
                else {
                    start &+= 1
                    continue
                }
                result.append(start..<start + count)
                start += count
            }
            return result
        }
    }
}
