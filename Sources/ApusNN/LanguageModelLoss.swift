internal import ApusBase
public import ApusTensor

/// What is added to the plain loss of a token.
public struct LossOptions: Sendable, Hashable {
    /// The share of the target that is spread evenly over all tokens (Szegedy et al., 2016, 7).
    public var labelSmoothing = 0.0
    /// The weight of `log(sum(exp(logits)))^2`, which keeps logits from drifting (Chowdhery et al.:
    /// "PaLM", 2022, 5).
    public var zLossWeight = 0.0

    public init() {}

    public static let plain = LossOptions()
}

/// The sum of token losses of a language model's head, without ever holding all logits.
///
/// - hidden: `[rows, width]`, the last hidden states
/// - head: `[vocabulary, width]`, the head's weight (often the embedding's)
/// - labels: `[rows]` int64, already shifted; -100 counts nothing
/// - weights: `[rows]`, what each row's loss counts; nil: one
/// - softCap: logits are bent into this range on both sides (Gemma 2); nil: not at all
/// - chunkRows: rows whose logits exist at a time; nil: as many as keep them below 32 MiB in fp32
///
/// The result is an fp32 scalar. Logits are products in the dtype of `hidden`; their softmax is
/// computed in fp32. Only rows that have a label are computed. Where a gradient is wanted, each
/// chunk's is computed at once from its logits and in their place: the loss is a sum, so its
/// gradient needs nothing from later. Costs the three matrix products of the plain way and memory
/// for one chunk of logits.
public func languageModelLoss(
    hidden: Tensor, head: Tensor, labels: Tensor, weights: Tensor? = nil,
    options: LossOptions = .plain, softCap: Double? = nil, chunkRows: Int? = nil
) -> Tensor {
    precondition(
        hidden.rank == 2 && labels.shape == [hidden.size(0)],
        "language model loss: hidden \(hidden.shape) with labels \(labels.shape)")
    let rows = TrainedRows(hidden: hidden.detached(), labels: labels, weights: weights)
    let chunks = HeadChunks(
        rows: rows, head: head.detached(), options: options, softCap: softCap,
        chunkRows: chunkRows ?? defaultChunkRows(vocabulary: head.size(0)))
    guard isGradientEnabled, hidden.requiresGradient || head.requiresGradient else {
        return withoutGradient { chunks.run(forHidden: false, forHead: false).loss }
    }
    var gradients: (hidden: Tensor?, head: Tensor?) = (nil, nil)
    let outputs = customGradient("language model loss", inputs: [hidden, head]) {
        let result = chunks.run(forHidden: hidden.requiresGradient, forHead: head.requiresGradient)
        gradients = (result.hidden, result.head)
        return [result.loss]
    } backward: { outputGradients in
        defer { gradients = (nil, nil) }
        guard let scale = outputGradients[0] else { return [nil, nil] }
        return withoutGradient {
            // On the host, where looking is free, a scale of one spares a pass over both gradients.
            if scale.device != .cpu || scale.item() != 1 {
                gradients.hidden?.multiplyInPlace(scale)
                gradients.head?.multiplyInPlace(scale)
            }
            return [gradients.hidden, gradients.head]
        }
    }
    return outputs[0]
}

/// Few enough rows to bound memory, many enough that the head is not read from memory too often.
private func defaultChunkRows(vocabulary: Int) -> Int {
    max(128, (1 << 23) / max(vocabulary, 1))
}

/// The rows that have a label, gathered; all of them as they are when none lacks one.
private struct TrainedRows {
    let hidden: Tensor
    let labels: Tensor
    let weights: Tensor?
    private let count: Int
    private let indices: Tensor?

    init(hidden: Tensor, labels: Tensor, weights: Tensor?) {
        count = hidden.size(0)
        let trained = labels.ints().enumerated().compactMap { $1 == -100 ? nil : $0 }
        guard trained.count < count else {
            (self.hidden, self.labels, indices) = (hidden, labels, nil)
            self.weights = weights
            return
        }
        let indices = Tensor(trained).to(device: hidden.device)
        self.hidden = hidden.indexSelect(0, indices)
        self.labels = labels.indexSelect(0, indices)
        self.weights = weights?.indexSelect(0, indices)
        self.indices = indices
    }

    /// Rows `[trained, width]` back in their places, zero in the others.
    func spread(_ rows: Tensor) -> Tensor {
        guard let indices else { return rows }
        let all = Tensor.zeros([count, rows.size(1)], dtype: rows.dtype, device: rows.device)
        let places = indices.unsqueeze(-1).expand([indices.size(0), rows.size(1)])
        return all.scatter(0, index: places, source: rows)
    }
}

private struct HeadChunks {
    let rows: TrainedRows
    let head: Tensor
    let options: LossOptions
    let softCap: Double?
    let chunkRows: Int

    private var ranges: [Range<Int>] {
        let count = rows.hidden.size(0)
        return stride(from: 0, to: count, by: chunkRows).map { $0..<min($0 + chunkRows, count) }
    }

    func run(
        forHidden: Bool, forHead: Bool
    ) -> (loss: Tensor, hidden: Tensor?, head: Tensor?) {
        let total = Tensor.zeros([], device: head.device)
        let hiddenGradient = forHidden ? rows.hidden.emptyLike() : nil
        var headGradient: Tensor?
        for range in ranges {
            let piece = rows.hidden[range]
            let (loss, gradient) = lossAndGradient(piece.linear(weight: head), range)
            total.addInPlace(loss)
            hiddenGradient?[range].copyInPlace(from: gradient.matmul(head))
            guard forHead else { continue }
            if let headGradient {
                headGradient.addProductInPlace(gradient.transposed, piece)
            } else {
                headGradient = gradient.transposed.matmul(piece)
            }
        }
        if forHead, headGradient == nil { headGradient = head.zerosLike() }
        return (total, hiddenGradient.map(rows.spread), headGradient)
    }

    /// The summed loss of a chunk, and its gradient in the memory of the logits.
    private func lossAndGradient(_ logits: Tensor, _ range: Range<Int>) -> (
        loss: Tensor, gradient: Tensor
    ) {
        guard let softCap else { return (consume(logits, range), logits) }
        let bent = (logits / softCap).tanh()
        let capped = bent * softCap
        let loss = consume(capped, range)
        // The slope of softCap tanh(x / softCap) is 1 - tanh^2.
        capped.multiplyInPlace(1 - bent.square())
        return (loss, capped)
    }

    /// The summed loss of logits, which are overwritten by its gradient.
    private func consume(_ logits: Tensor, _ range: Range<Int>) -> Tensor {
        let labels = rows.labels[range]
        guard options.zLossWeight > 0 || rows.weights != nil else {
            return logits.crossEntropyConsumingLogits(
                labels, labelSmoothing: options.labelSmoothing)
        }
        let smoothing = options.labelSmoothing
        let wide = logits.to(.float32)
        let places = labels.unsqueeze(-1)
        let partition = wide.logSumExp(-1)
        var losses = partition - wide.gather(-1, index: places).squeeze(-1) * (1 - smoothing)
        if smoothing > 0 { losses = losses - wide.mean(-1) * smoothing }
        losses = losses + partition.square() * options.zLossWeight
        _ = logits.crossEntropyConsumingLogits(labels, labelSmoothing: smoothing)
        // softmax - target became (1 + 2 z log Z) softmax - target, each row times its weight.
        let growth = partition * (2 * options.zLossWeight)
        let weights = rows.weights.map { $0[range].to(.float32) } ?? partition.onesLike()
        let added = growth * weights
        logits.multiplyInPlace(((growth + 1) * weights).unsqueeze(-1).to(logits.dtype))
        if smoothing > 0 {
            let share = smoothing / Double(logits.size(1))
            logits.addInPlace((added * share).unsqueeze(-1).to(logits.dtype))
        }
        let atLabels = (added * (1 - smoothing)).unsqueeze(-1).to(logits.dtype)
        logits.copyInPlace(from: logits.scatterAdd(-1, index: places, source: atLabels))
        return (losses * weights).sum()
    }
}
