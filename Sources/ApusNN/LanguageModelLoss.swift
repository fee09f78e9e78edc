internal import ApusBase
public import ApusTensor

/// The sum of token losses of a language model's head, without ever holding all logits.
///
/// - hidden: `[rows, width]`, the last hidden states
/// - head: `[vocabulary, width]`, the head's weight (often the embedding's)
/// - labels: `[rows]` int64, already shifted; -100 counts nothing
///
/// Rows are taken in chunks. Where a gradient is wanted, each chunk's is computed at once from its logits,
/// which are then dropped: the loss is a sum, so its gradient needs nothing from later. Costs the three
/// matrix products of the plain way and memory for one chunk of logits.
public func languageModelLoss(
    hidden: Tensor, head: Tensor, labels: Tensor, chunkRows: Int = 256
) -> Tensor {
    let chunks = HeadChunks(hidden: hidden.detached(), head: head.detached(), labels: labels, rows: chunkRows)
    guard isGradientEnabled else { return chunks.loss() }
    var gradients: (hidden: Tensor?, head: Tensor?) = (nil, nil)
    let outputs = customGradient("language model loss", inputs: [hidden, head]) {
        let result = chunks.lossAndGradients(
            forHidden: hidden.requiresGradient, forHead: head.requiresGradient)
        gradients = (result.hidden, result.head)
        return [result.loss]
    } backward: { outputGradients in
        defer { gradients = (nil, nil) }
        guard let scale = outputGradients[0] else { return [nil, nil] }
        return withoutGradient {
            for gradient in [gradients.hidden, gradients.head] {
                gradient?.multiplyInPlace(scale.to(gradient?.dtype))
            }
            return [gradients.hidden, gradients.head]
        }
    }
    return outputs[0]
}

private struct HeadChunks {
    let hidden: Tensor
    let head: Tensor
    let labels: Tensor
    let rows: Int

    private var ranges: [Range<Int>] {
        let count = hidden.size(0)
        return stride(from: 0, to: count, by: rows).map { $0..<min($0 + rows, count) }
    }

    func loss() -> Tensor {
        let total = Tensor.zeros([], device: hidden.device)
        for range in ranges {
            let logits = hidden[range].linear(weight: head).to(.float32)
            total.addInPlace(logits.crossEntropy(labels[range], reduction: .sum))
        }
        return total
    }

    func lossAndGradients(
        forHidden: Bool, forHead: Bool
    ) -> (loss: Tensor, hidden: Tensor?, head: Tensor?) {
        let total = Tensor.zeros([], device: hidden.device)
        let hiddenGradient = forHidden ? hidden.emptyLike() : nil
        let headGradient = forHead ? head.zerosLike() : nil
        for range in ranges {
            let piece = hidden[range]
            let logits = piece.linear(weight: head)
            total.addInPlace(logits.crossEntropyConsumingLogits(labels[range]))
            // The logits have become their gradient.
            hiddenGradient?[range].copyInPlace(from: logits.matmul(head))
            headGradient?.addProductInPlace(logits.transposed, piece)
        }
        return (total, hiddenGradient, headGradient)
    }
}
