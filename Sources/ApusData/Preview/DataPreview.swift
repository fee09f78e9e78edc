public import ApusTokenizer

/// What people want to see of their data before they train on it.
public struct DataPreview: Sendable {
    public let dataset: Dataset
    private let stopIDs: Set<Int32>

    /// - stopIDs: the tokens at which generation ends
    public init(_ dataset: Dataset, stopIDs: Set<Int32>) {
        self.dataset = dataset
        self.stopIDs = stopIDs
    }

    /// A stretch of a sample's text whose tokens are all trained, or all not.
    public struct Piece: Sendable, Hashable {
        public var text: String
        public let isTrained: Bool
    }

    /// The text of a sample, special tokens included.
    public func pieces(of index: Int, _ tokenizer: Tokenizer) -> [Piece] {
        let sample = dataset.samples[index]
        var decoder = StreamingDecoder(tokenizer, skipSpecialTokens: false)
        var pieces: [Piece] = []
        func add(_ text: String, _ isTrained: Bool) {
            if pieces.last?.isTrained == isTrained {
                pieces[pieces.count - 1].text += text
            } else if !text.isEmpty {
                pieces.append(Piece(text: text, isTrained: isTrained))
            }
        }
        for (id, label) in zip(sample.inputIDs, sample.labels) {
            add(decoder.append(id), label != TokenizedSample.ignoredLabel)
        }
        add(decoder.finish(), sample.labels.last != TokenizedSample.ignoredLabel)
        return pieces
    }

    /// Samples in which a token that ends generation is trained: the others teach the model to go
    /// on and on. Nil when no such token is known.
    public var samplesThatStop: Int? {
        guard !stopIDs.isEmpty else { return nil }
        return (0..<dataset.samples.count).count { index in
            dataset.samples.withLabels(index) { $0.contains { stopIDs.contains($0) } }
        }
    }

    /// How many samples are how long: at most `count` ranges of one width, which is 1, 2 or 5 times
    /// a power of ten.
    public func lengths(ranges count: Int = 10) -> [(range: ClosedRange<Int>, samples: Int)] {
        let lengths = (0..<dataset.samples.count).map { dataset.samples.length($0) }
        let longest = lengths.max() ?? 0
        var (width, power, step) = (1, 1, 0)
        while width * count < longest {
            width = [2, 5, 10][step % 3] * power
            step += 1
            if step % 3 == 0 { power *= 10 }
        }
        guard longest > 0 else { return [] }
        var samples = [Int](repeating: 0, count: (longest + width - 1) / width)
        for length in lengths { samples[(length - 1) / width] += 1 }
        return samples.enumerated().map { number, samples in
            ((number * width + 1)...((number + 1) * width), samples)
        }
    }
}
