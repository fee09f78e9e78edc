internal import ApusNN

/// A regular expression over whole paths.
struct PathPattern {
    private let expression: Regex<AnyRegexOutput>

    init(_ text: String) throws(AdapterError) {
        do {
            expression = try Regex(text)
        } catch {
            throw AdapterError(summary: "'\(text)' is no regular expression: \(error)")
        }
    }

    func matches(_ path: String) -> Bool { (try? expression.wholeMatch(in: path)) != nil }

    /// The number that the expression's last group caught at the path's beginning.
    func index(in path: String) -> Int? {
        guard let match = try? expression.prefixMatch(in: path),
            let text = match.output.last?.substring
        else { return nil }
        return Int(text)
    }
}

struct LayerMatcher: CustomStringConvertible {
    private enum Rule {
        case names([String])
        case pattern(PathPattern)
        case linear
    }

    private let rule: Rule
    let description: String

    init(_ modules: LoRAConfiguration.Modules) throws(AdapterError) {
        switch modules {
        case .named(let names):
            rule = .names(names)
            description = names.joined(separator: ", ")
        case .matching(let text):
            rule = .pattern(try PathPattern(text))
            description = "the pattern '\(text)'"
        case .allLinear:
            rule = .linear
            description = "all-linear"
        }
    }

    var names: [String] { if case .names(let names) = rule { names } else { [] } }
    var isPattern: Bool { if case .pattern = rule { true } else { false } }

    func matches(_ path: String, _ kind: LayerKind) -> Bool {
        switch rule {
        case .names(let names): names.contains { LoRAPlan.ends(path, in: $0) }
        case .pattern(let pattern): pattern.matches(path)
        case .linear: kind == .linear || kind == .transposedLinear
        }
    }
}

/// `layers_to_transform`: the first number in a path, after one of some names.
struct LayerIndices {
    private let indices: Set<Int>
    private let patterns: [PathPattern]

    init(_ indices: [Int], names: [String]) throws(AdapterError) {
        self.indices = Set(indices)
        let texts =
            names.isEmpty
            ? [".*?\\.[^.]*\\.(\\d+)\\."] : names.map { "(?:^|.*?\\.)\($0)\\.(\\d+)\\." }
        patterns = try texts.map { text throws(AdapterError) in try PathPattern(text) }
    }

    func contain(_ path: String) -> Bool {
        let found = patterns.lazy.compactMap { $0.index(in: path) }.first
        return found.map { indices.contains($0) } ?? false
    }
}
