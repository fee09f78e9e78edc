internal import ApusBase
internal import ApusFormats

/// How the tensors of a file fit the parameters that are to be read from it.
struct WeightFit {
    var problems: [String] = []
    private var used: Set<ByteKey> = []

    /// - location: where a parameter's values stand; nil: nowhere
    init(_ specs: [ParameterSpec], location: (String) -> WeightLocation?) {
        for spec in specs {
            guard let location = location(spec.name) else {
                problems.append("\(spec.name) \(spec.shape) is missing")
                continue
            }
            used.insert(ByteKey(location.entry.name))
            if location.shape != spec.shape {
                problems.append("\(spec.name) is \(location.shape) instead of \(spec.shape)")
            }
        }
    }

    /// Whether a parameter is read from a tensor.
    func uses(_ tensor: String) -> Bool { used.contains(ByteKey(tensor)) }

    /// The first problems and the number of the others; nil where all fits.
    func error(_ path: String, _ summary: String, likelyCause: String) -> FileError? {
        guard !problems.isEmpty else { return nil }
        let list = problems.prefix(8).joined(separator: "; ")
        let more = problems.count > 8 ? "; and \(problems.count - 8) more" : ""
        return FileError(path, "\(summary): \(list)\(more)", likelyCause: likelyCause)
    }
}
