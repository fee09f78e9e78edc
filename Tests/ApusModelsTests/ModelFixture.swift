import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import Testing

/// A model folder that `Tools/goldens/models.py` wrote, and what transformers computed with it.
struct ModelFixture: Sendable, CustomTestStringConvertible {
    let name: String

    static let root = FilePaths.join(FilePaths.folder(of: #filePath), "Fixtures")

    /// All folders there are, so that a new one is tested without being listed.
    static let all: [ModelFixture] = {
        let names = (try? FilePaths.names(in: FilePaths.join(root, "models"))) ?? []
        return names.map { ModelFixture(name: $0) }
    }()

    /// Those with a recorded continuation.
    static let continued = all.filter { (try? $0.expected())?["greedy"] != nil }

    var testDescription: String { name }
    var folder: String { FilePaths.join(Self.root, "models/\(name)") }

    func expected() throws -> JSON { try readJSON(FilePaths.join(folder, "expected.json")) }

    func model(dtype: DType = .float32) throws -> any LanguageModel {
        try PretrainedModel(path: folder).makeModel(dtype: dtype)
    }

    func logits() throws -> [Float] {
        try SafetensorsFile(path: FilePaths.join(folder, "expected.safetensors")).floats("logits")
    }
}

func readJSON(_ path: String) throws -> JSON {
    try MappedFile(path: path).withBytes { try JSON.parse($0) }
}

/// A matrix of integers as an int64 tensor.
func tokens(_ json: JSON?) throws -> Tensor {
    let rows = try #require(json?.arrayValue).map { try ids($0) }
    return Tensor(rows.flatMap { $0 }, shape: [rows.count, rows.first?.count ?? 0])
}

func ids(_ json: JSON?) throws -> [Int] {
    try #require(json?.arrayValue).map { try #require($0.intValue) }
}

/// The largest difference of two vectors; infinite when one is not finite or they differ in length.
func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { largest, pair in
        let difference = abs(pair.0 - pair.1)
        return difference.isFinite ? max(largest, difference) : .infinity
    }
}

/// Every gradient has the recorded norm and sums with random signs; see ``GradientSummary``.
func expectGradients(of store: ParameterStore, _ recorded: JSON?) throws {
    let recorded = try #require(recorded?.objectValue)
    #expect(recorded.count == store.parameters.count)
    for parameter in store.parameters {
        let summary = try GradientSummary(recorded[parameter.name])
        let gradient = try #require(parameter.value.gradient, "\(parameter.name)")
        #expect(summary.distance(to: gradient) < 1e-5, "\(parameter.name)")
    }
}

/// A gradient's norm and its sums with 16 rows of random signs, as `Tools/goldens/shared.py` makes
/// them.
///
/// They speak for every element: of the two signs that an element can have, one at least takes the
/// sums of two vectors as far apart as the element is. That all 16 rows hide a difference has a
/// chance of 2^-16.
struct GradientSummary {
    let norm: Double
    private let sums: [Double]

    init(_ json: JSON?) throws {
        let numbers = try #require(json?.arrayValue).compactMap(\.doubleValue)
        try #require(numbers.count == 17)
        norm = numbers[0]
        sums = Array(numbers.dropFirst())
    }

    /// The largest difference of norm and sums, as a share of the norm.
    func distance(to gradient: Tensor) -> Double {
        let flat = gradient.to(.float64).reshape(-1)
        let signs = Self.signs.slice(1, 0..<flat.size(0))
        let found = [flat.norm().item()] + signs.matmul(flat).doubles()
        let differences = zip(found, [norm] + sums).map { abs($0 - $1) }
        // A key's bias may change nothing in softmax: its gradient is rounding noise.
        return (differences.max() ?? .infinity) / max(norm, 0.1)
    }

    /// `[16, 8192]`; no parameter of the fixtures is larger.
    nonisolated(unsafe) private static let signs: Tensor = {
        let words = (1...8192).map { SplitMix64.mix($0) }
        let rows = (0..<16).flatMap { bit in words.map { Float(($0 >> bit & 1) * 2) - 1 } }
        return Tensor(rows, shape: [16, 8192]).to(.float64)
    }()
}

/// Greedy ids by whole forward passes, without a cache.
func uncachedGreedy(_ model: any LanguageModel, _ prompt: [Int], count: Int) -> [Int] {
    var all = prompt
    for _ in 0..<count {
        let logits = withoutGradient { model.logits(Tensor(all, shape: [1, all.count])) }
        all.append(logits[0][all.count - 1].argmax().intItem())
    }
    return Array(all[prompt.count...])
}

/// Greedy ids by a cache that gets the prompt in pieces of the given lengths, then single tokens.
func cachedGreedy(
    _ model: any LanguageModel, _ prompt: [Int], count: Int, pieces: [Int]? = nil
) -> [Int] {
    let cache = KeyValueCache(layerCount: model.layerCount, capacity: prompt.count + count)
    var produced: [Int] = []
    var waiting = prompt
    var lengths = pieces ?? [prompt.count]
    while produced.count < count {
        let length = lengths.isEmpty ? 1 : lengths.removeFirst()
        let piece = Array(waiting.prefix(length))
        waiting.removeFirst(length)
        let context = SequenceContext(cache: cache)
        let logits = withoutGradient {
            model.logits(Tensor(piece, shape: [1, piece.count]), context)
        }
        guard waiting.isEmpty else { continue }
        let next = logits[0][piece.count - 1].argmax().intItem()
        produced.append(next)
        waiting.append(next)
    }
    return produced
}
