import ApusBase
import ApusNN
import ApusTensor
import Testing

/// The chunked loss against the plain one: all logits, then cross-entropy, by autograd.
@Suite struct LanguageModelLossTests {
    private struct Result {
        var loss: Double
        var hidden: [Double]
        var head: [Double]
    }

    /// Labels of 37 rows, a third of them ignored, the first and the last among them.
    private static let labels = (0..<37).map { $0 % 3 == 0 ? -100 : ($0 * 29) % 53 }

    private func inputs(_ dtype: DType = .float32) -> (hidden: Tensor, head: Tensor) {
        let generator = Generator(seed: 4)
        let hidden = Tensor.randn([37, 16], generator: generator).to(dtype)
        let head = Tensor.randn([53, 16], generator: generator).to(dtype)
        return (hidden.requiringGradient(), head.requiringGradient())
    }

    private func run(
        _ dtype: DType = .float32, scale: Double = 1, loss: (Tensor, Tensor) -> Tensor
    ) throws -> Result {
        let (hidden, head) = inputs(dtype)
        let value = loss(hidden, head)
        (value * scale).backward()
        return Result(
            loss: value.item(), hidden: try #require(hidden.gradient).doubles(),
            head: try #require(head.gradient).doubles())
    }

    private func plain(_ labels: [Int], softCap: Double? = nil) -> (Tensor, Tensor) -> Tensor {
        { hidden, head in
            var logits = hidden.linear(weight: head).to(.float32)
            if let softCap { logits = (logits / softCap).tanh() * softCap }
            let logProbabilities = logits.logSoftmax()
            let trained = labels.enumerated().filter { $1 != -100 }
            let terms = trained.map { logProbabilities[$0.offset][$0.element] }
            return -Tensor.stack(terms).sum()
        }
    }

    private func expectClose(_ a: Result, _ b: Result, within tolerance: Double) {
        #expect(abs(a.loss - b.loss) <= tolerance * abs(b.loss))
        for (x, y) in [(a.hidden, b.hidden), (a.head, b.head)] {
            let largest = y.map(abs).max() ?? 0
            let difference = zip(x, y).map { abs($0 - $1) }.max() ?? .infinity
            #expect(x.count == y.count)
            #expect(difference <= tolerance * largest)
        }
    }

    @Test(arguments: [1, 5, 12, 25, 256], [1.0, 0.125])
    func gradientsEqualThePlainWay(chunkRows: Int, scale: Double) throws {
        let labels = Self.labels
        let ours = try run(scale: scale) {
            languageModelLoss(hidden: $0, head: $1, labels: Tensor(labels), chunkRows: chunkRows)
        }
        let theirs = try run(scale: scale, loss: plain(labels))
        expectClose(ours, theirs, within: 1e-6)
    }

    @Test func everyRowTrained() throws {
        let labels = (0..<37).map { ($0 * 7) % 53 }
        let ours = try run { languageModelLoss(hidden: $0, head: $1, labels: Tensor(labels)) }
        expectClose(ours, try run(loss: plain(labels)), within: 1e-6)
    }

    /// Logits are rounded to bf16 in both; the order of roundings differs by one of them.
    @Test func bfloat16StaysWithinItsRounding() throws {
        let labels = Self.labels
        let ours = try run(.bfloat16) {
            languageModelLoss(hidden: $0, head: $1, labels: Tensor(labels), chunkRows: 10)
        }
        let theirs = try run(.bfloat16, loss: plain(labels))
        expectClose(ours, theirs, within: 1.0 / 128)
        #expect(abs(ours.loss - theirs.loss) < 1e-5 * theirs.loss)
    }

    @Test func softCappedLogits() throws {
        let labels = Self.labels
        let ours = try run {
            languageModelLoss(
                hidden: $0, head: $1, labels: Tensor(labels), softCap: 4, chunkRows: 7)
        }
        expectClose(ours, try run(loss: plain(labels, softCap: 4)), within: 2e-6)
    }

    @Test func nothingTrainedIsZeroWithZeroGradients() throws {
        let labels = [Int](repeating: -100, count: 37)
        let result = try run { languageModelLoss(hidden: $0, head: $1, labels: Tensor(labels)) }
        #expect(result.loss == 0)
        #expect(result.hidden.allSatisfy { $0 == 0 } && result.hidden.count == 37 * 16)
        #expect(result.head.allSatisfy { $0 == 0 } && result.head.count == 53 * 16)
    }

    /// A head that is also the embedding gets the sum of both gradients.
    @Test func tiedHeadsAddUp() throws {
        let labels = Tensor(Self.labels.map { $0 == -100 ? 3 : $0 })
        let ids = Tensor((0..<37).map { ($0 * 11) % 53 })
        func gradient(_ loss: (Tensor, Tensor) -> Tensor) throws -> [Float] {
            let table = Tensor.randn([53, 16], generator: Generator(seed: 9)).requiringGradient()
            loss(table.embedding(ids), table).backward()
            return try #require(table.gradient).floats()
        }
        let ours = try gradient {
            languageModelLoss(hidden: $0, head: $1, labels: labels, chunkRows: 8)
        }
        let theirs = try gradient { hidden, head in
            hidden.linear(weight: head).crossEntropy(labels, reduction: .sum)
        }
        for (a, b) in zip(ours, theirs) { #expect(abs(a - b) < 2e-5) }
    }

    @Test func frozenPartsGetNoGradient() throws {
        let labels = Tensor(Self.labels)
        let (hidden, head) = inputs()
        languageModelLoss(hidden: hidden, head: head.detached(), labels: labels).backward()
        #expect(hidden.gradient != nil)
        #expect(head.gradient == nil)
        let frozen = languageModelLoss(
            hidden: hidden.detached(), head: head.detached(), labels: labels)
        #expect(!frozen.requiresGradient)
        let evaluated = withoutGradient {
            languageModelLoss(hidden: hidden, head: head, labels: labels)
        }
        #expect(!evaluated.requiresGradient)
        #expect(evaluated.item() == frozen.item())
    }

    /// Label smoothing, z-loss and weights, alone and together, as autograd has them.
    @Test(arguments: [
        (0.1, 0.0, false), (0, 1e-2, false), (0.1, 1e-2, false), (0, 0, true), (0.2, 1e-2, true),
    ] as [(Double, Double, Bool)], [nil, 3.0])
    func optionsEqualThePlainWay(
        _ options: (smoothing: Double, z: Double, isWeighted: Bool), softCap: Double?
    ) throws {
        let labels = Self.labels
        let weights = labels.indices.map { Float($0 % 4) * 0.5 }
        var wanted = LossOptions()
        (wanted.labelSmoothing, wanted.zLossWeight) = (options.smoothing, options.z)
        let ours = try run {
            languageModelLoss(
                hidden: $0, head: $1, labels: Tensor(labels),
                weights: options.isWeighted ? Tensor(weights) : nil, options: wanted,
                softCap: softCap, chunkRows: 7)
        }
        let plain = try run { hidden, head in
            var logits = hidden.linear(weight: head)
            if let softCap { logits = (logits / softCap).tanh() * softCap }
            let partition = logits.logSumExp(-1)
            let terms = labels.enumerated().filter { $1 != -100 }.map { row, label in
                let right = logits[row][label] * (1 - options.smoothing)
                let spread = logits[row].mean() * options.smoothing
                let loss = partition[row] - right - spread + partition[row].square() * options.z
                return loss * (options.isWeighted ? Double(weights[row]) : 1)
            }
            return Tensor.stack(terms).sum()
        }
        expectClose(ours, plain, within: 1e-5)
    }
}
