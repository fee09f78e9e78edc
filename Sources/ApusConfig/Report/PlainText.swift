import ApusBase

extension JSON {
    /// As it would stand in a recipe, on one line.
    var plainText: String {
        guard case .string(let text) = self else { return self.text() }
        let lines = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        return lines.count > 1 ? "\(lines[0]) ..." : text
    }
}
