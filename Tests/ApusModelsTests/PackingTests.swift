import ApusBase
import ApusModels
import ApusNN
import ApusTensor
import Testing

/// Several documents in a row, and padding: nothing may leak from one to another.
@Suite struct PackingTests {
    static let families = [
        "llama-tied", "llama-rope-llama3", "mistral-sliding", "qwen3", "gpt2", "smollm3", "gemma2",
        "gemma3", "phi3", "olmo2", "gpt-neox", "qwen3-moe",
    ]

    private static let documents = [
        [5, 17, 99, 23, 64], [31, 8, 77, 12, 45, 90, 3, 61], [110, 56, 20],
    ]

    /// One row of all documents, positions restarting and documents told apart.
    private struct Packed {
        var tokens: Tensor
        var labels: Tensor
        var context = SequenceContext()

        init(_ documents: [[Int]]) {
            let all = documents.flatMap { $0 }
            tokens = Tensor(all, shape: [1, all.count])
            // The first token of a document is not to be predicted from the one before it.
            let marked = documents.flatMap { [-100] + $0.dropFirst() }
            labels = Tensor(marked, shape: [1, all.count])
            let positions = documents.flatMap { Array(0..<$0.count) }
            context.positions = Tensor(positions, shape: [1, all.count])
            let numbers = documents.enumerated().flatMap { number, document in
                document.map { _ in number }
            }
            context.documents = Tensor(numbers, shape: [1, all.count])
        }
    }

    @Test(arguments: families)
    func packedLossesEqualThoseOfSeparateRows(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        let separate = withoutGradient {
            Self.documents.map { document in
                let row = Tensor(document, shape: [1, document.count])
                return model.lossSum(tokens: row, labels: row).item()
            }
        }
        let packed = Packed(Self.documents)
        let loss = withoutGradient {
            model.lossSum(tokens: packed.tokens, labels: packed.labels, packed.context).item()
        }
        let sum = separate.reduce(0, +)
        #expect(abs(loss - sum) < 1e-6 * sum)
    }

    /// Another token in one document leaves all logits of the others as they were, bit for bit.
    @Test(arguments: families)
    func plantedTokensAreNotSeenByOtherDocuments(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        var planted = Self.documents
        planted[0][2] = 101
        let (before, after) = withoutGradient {
            let first = Packed(Self.documents)
            let second = Packed(planted)
            return (
                model.logits(first.tokens, first.context)[0],
                model.logits(second.tokens, second.context)[0]
            )
        }
        #expect(before[5..<16].floats() == after[5..<16].floats())
        #expect(before[0..<2].floats() == after[0..<2].floats())
        #expect(before[2..<5].floats() != after[2..<5].floats())
    }

    /// Without the documents' numbers the plant would show: the test above can fail.
    @Test func plantedTokensAreSeenWithoutDocumentNumbers() throws {
        let model = try ModelFixture(name: "llama-tied").model()
        var planted = Self.documents
        planted[0][2] = 101
        let (before, after) = withoutGradient {
            (
                model.logits(Packed(Self.documents).tokens)[0],
                model.logits(Packed(planted).tokens)[0]
            )
        }
        #expect(before[5..<16].floats() != after[5..<16].floats())
    }

    @Test(arguments: families)
    func paddingOnTheRightChangesNoLoss(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        let row = Self.documents[1]
        for parameter in model.store.parameters { parameter.value.requiringGradient() }
        func lossAndGradients(_ padding: [Int]) -> (Double, [Tensor]) {
            for parameter in model.store.parameters { parameter.value.gradient = nil }
            let count = row.count + padding.count
            let labels = row + padding.map { _ in -100 }
            let loss = model.lossSum(
                tokens: Tensor(row + padding, shape: [1, count]),
                labels: Tensor(labels, shape: [1, count]))
            loss.backward()
            return (loss.item(), model.store.parameters.compactMap { $0.value.gradient })
        }
        let plain = lossAndGradients([])
        for padding in [[0], [0, 0, 0, 0, 0], [99, 4, 127, 18]] {
            let padded = lossAndGradients(padding)
            #expect(abs(padded.0 - plain.0) < 1e-6 * plain.0)
            #expect(padded.1.count == plain.1.count)
            for (a, b) in zip(padded.1, plain.1) {
                #expect((a - b).norm().item() <= 1e-5 * b.norm().item())
            }
        }
    }

    /// Padding on the left, with positions counted from the first real token: logits of the real
    /// tokens are those of the row alone.
    @Test(arguments: families)
    func paddingOnTheLeftIsNotSeen(_ name: String) throws {
        let model = try ModelFixture(name: name).model()
        let rows = Self.documents
        let length = rows.map(\.count).max() ?? 0
        let padded = rows.map { Array(repeating: 0, count: length - $0.count) + $0 }
        var context = SequenceContext()
        let offsets = rows.map { length - $0.count }
        let positions = offsets.flatMap { offset in (0..<length).map { max($0 - offset, 0) } }
        let valid = offsets.flatMap { offset in (0..<length).map { $0 >= offset ? 1 : 0 } }
        context.positions = Tensor(positions, shape: [rows.count, length])
        context.keyIsValid = Tensor(valid, shape: [rows.count, length]).to(.bool)
        let batch = Tensor(padded.flatMap { $0 }, shape: [rows.count, length])
        let logits = withoutGradient { model.logits(batch, context) }
        for (index, row) in rows.enumerated() {
            let alone = withoutGradient { model.logits(Tensor(row, shape: [1, row.count]))[0] }
            let real = logits[index][offsets[index]..<length]
            #expect(largestDifference(real.floats(), alone.floats()) < 1e-5)
        }
    }
}
