public import ApusBase
internal import ApusFormats
public import ApusNN
public import ApusTensor

/// A model that gives each sequence a number for each label: an encoder or decoder with a head for
/// it, as HuggingFace's `...ForSequenceClassification` have them.
public final class SequenceClassifier {
    /// What the labels' numbers are, and so what the loss is: `problem_type`.
    public enum Problem: String, Sendable, Hashable, CaseIterable {
        /// Values; mean squared error.
        case regression
        /// One of the labels; cross-entropy.
        case singleLabel = "single_label_classification"
        /// Any of the labels; binary cross-entropy of each.
        case multipleLabels = "multi_label_classification"
    }

    public let backbone: any LanguageModel
    public let labelCount: Int
    public let problem: Problem
    private let head: ClassificationHead

    public var store: ParameterStore { backbone.store }

    /// - configuration: config.json, for the number of labels and the kind of problem
    public init(
        _ family: ModelFamily, configuration: JSONObject, path: String,
        store: ParameterStore = ParameterStore()
    ) throws(FileError) {
        let reader = try ConfigurationReader(.object(configuration), path: path)
        let names = configuration["id2label"]?.objectValue?.count
        labelCount = try reader.size(
            "num_labels", upTo: ConfigurationReader.Limit.rows, default: names ?? 2)
        let fallback = labelCount == 1 ? Problem.regression : .singleLabel
        let name = try reader.string("problem_type") ?? fallback.rawValue
        guard let problem = Problem(rawValue: name) else {
            throw reader.unsupported(
                "problem_type", name,
                allowed: Problem.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self.problem = problem
        backbone = family.makeModel(in: store, hasHead: false)
        head = ClassificationHead(family, width: backbone.width, labels: labelCount, in: store.root)
    }

    /// Tokens `[batch, length]` -> `[batch, labels]`.
    ///
    /// Padding is told by the context's `keyIsValid`: decoders judge by the last token that is
    /// none, encoders by the first token.
    public func logits(_ tokens: Tensor, _ context: SequenceContext = SequenceContext()) -> Tensor {
        let hidden = backbone.hiddenStates(tokens, context)
        return head.unit.run([hidden]) { self.head($0[0], context) }
    }

    /// The summed loss of a batch, an fp32 scalar.
    ///
    /// - targets: `[batch]` int64 for a single label, else `[batch, labels]`
    public func lossSum(
        tokens: Tensor, targets: Tensor, _ context: SequenceContext = SequenceContext()
    ) -> Tensor {
        let logits = logits(tokens, context).to(.float32)
        switch problem {
        case .singleLabel: return logits.crossEntropy(targets, reduction: .sum)
        case .regression:
            return logits.reshape(-1).squaredError(
                targets.to(.float32).reshape(-1), reduction: .sum)
        case .multipleLabels:
            return logits.binaryCrossEntropyOfLogits(targets.to(.float32), reduction: .sum)
        }
    }
}

/// The layers between hidden states and labels.
private struct ClassificationHead {
    private enum Form {
        /// Decoders: one matrix over the last token.
        case score(Linear)
        /// BERT: the pooled first token.
        case pooled(Linear, Linear)
        /// RoBERTa and DistilBERT: a layer and its activation over the first token.
        case layered(Linear, Linear, activation: (Tensor) -> Tensor, dropsBefore: Bool)
    }

    let unit: Unit
    private let form: Form
    private let dropout: Double

    init(_ family: ModelFamily, width: Int, labels: Int, in root: Scope) {
        guard case .bert(let c) = family else {
            let place = root["score"].asUnit().withoutUpdates()
            unit = place.unit
            form = .score(
                Linear(
                    width, labels, bias: false, initializer: .normal(standardDeviation: 0.02),
                    in: place))
            dropout = 0
            return
        }
        let last = root["classifier"].asUnit()
        unit = last.unit
        func linear(_ outputs: Int, _ path: String...) -> Linear {
            let place = path.reduce(root) { $0[$1] }.inUnit(of: last)
            // The last layer is trained whole; those before it are the encoder's.
            let scope = outputs == labels ? place.withoutUpdates() : place
            return Linear(
                width, outputs, bias: true,
                initializer: .normal(standardDeviation: c.initializerDeviation), in: scope)
        }
        dropout = c.classifierDropout
        switch c.kind {
        case .bert:
            form = .pooled(linear(width, "bert", "pooler", "dense"), linear(labels, "classifier"))
        case .roberta:
            form = .layered(
                linear(width, "classifier", "dense"), linear(labels, "classifier", "out_proj"),
                activation: { $0.tanh() }, dropsBefore: true)
        case .distilbert:
            form = .layered(
                linear(width, "pre_classifier"), linear(labels, "classifier"),
                activation: { $0.relu() }, dropsBefore: false)
        }
    }

    func callAsFunction(_ hidden: Tensor, _ context: SequenceContext) -> Tensor {
        func drop(_ x: Tensor) -> Tensor { x.dropout(dropout, isTraining: context.isTraining) }
        switch form {
        case .score(let score): return score(hidden.lastTokens(context))
        case .pooled(let pooler, let classifier):
            return classifier(drop(pooler(hidden.select(1, 0)).tanh()))
        case .layered(let dense, let output, let activation, let dropsBefore):
            let first = hidden.select(1, 0)
            return output(drop(activation(dense(dropsBefore ? drop(first) : first))))
        }
    }
}

extension Tensor {
    /// Of hidden states `[batch, length, width]`: those of each row's last token that is no
    /// padding, `[batch, width]`.
    func lastTokens(_ context: SequenceContext) -> Tensor {
        let (batch, length, width) = (size(0), size(1), size(2))
        guard let valid = context.keyIsValid else { return select(1, length - 1) }
        let places = Tensor.arange(0, Double(length), dtype: .int64, device: device)
        let last = (valid.to(.int64) * places).max(-1).to(.int64)
        let index = last.reshape(batch, 1, 1).expand([batch, 1, width])
        return gather(1, index: index).squeeze(1)
    }
}

extension PretrainedModel {
    /// The model with its head for sequences and its weights in host memory.
    public func makeClassifier(dtype: DType) throws(FileError) -> SequenceClassifier {
        let classifier = try SequenceClassifier(
            family, configuration: configuration, path: FilePaths.join(path, "config.json"))
        _ = try check(classifier.store.specs)
        classifier.store.allocate(dtype: dtype)
        _ = try load(into: classifier.store)
        return classifier
    }
}
