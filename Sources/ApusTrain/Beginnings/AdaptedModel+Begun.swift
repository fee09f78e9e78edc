public import ApusBase
public import ApusComm
public import ApusData
public import ApusModels
public import ApusZeRO

extension AdaptedModel {
    /// The adapter as data begins it (`eva`, `corda`, `lora_ga`): runs the frozen model over some
    /// windows before there is an adapter. Other adapters are returned as they are.
    ///
    /// All ranks call this together and get the same; each shows its own micro-batches. In the
    /// place of the batches of training it takes a copy of them, which moves none of the others:
    ///
    ///     var preview = batches
    ///     let adapted = try declared.begun(options: options, group: group) { preview.next() }
    ///     let trained = try TrainedModel(adapted.model, options: options, group: group)
    ///     _ = try trained.load(from: adapted.weights)
    ///
    /// - options: of the engine that will train: how the frozen model is held meanwhile
    /// - place: where to compute; nil: on the host
    /// - windows: at most how many are asked for; nil: what is usual. But for EVA the first epoch
    ///   is all
    /// - recomputes: whether blocks' activations are computed again in backward
    /// - wantsStop: whether this rank was asked to stop; then all do
    /// - report: is told what came out, and what is odd about it
    /// - next: nil ends the data
    /// - Throws: `AdapterError` where the data is too little or the adapter cannot begin so;
    ///   errors of files, tensors and of the group; ``StoppedBeforeTraining``
    public func begun(
        options: EngineOptions, group: any ProcessGroup, on place: ComputeDevice? = nil,
        windows: Int? = nil, recomputes: Bool = false,
        wantsStop: @escaping () -> Bool = { false },
        report: (BeginningReport) -> Void = { _ in },
        next: () throws -> OptimizerWindow?
    ) throws -> AdaptedModel {
        guard beginsByData else { return self }
        let configuration = weights.plan.configuration
        var shown: [OptimizerWindow] = []
        while shown.count < windows ?? configuration.initialization.usualWindows,
            let window = try next()
        {
            shown.append(window)
            // Only EVA learns from seeing the same again.
            if window.isLastOfEpoch, configuration.initialization != .eva { break }
        }
        let preparation = try AdapterPreparation(
            self, options: options, group: group, on: place, recomputes: recomputes,
            wantsStop: wantsStop)
        let start: AdapterStart
        switch configuration.initialization {
        case .eva: start = try preparation.explainVariance(shown, report)
        case .corda: start = try preparation.followCovariance(shown, report)
        default: start = try preparation.approximateGradients(shown, report)
        }
        return try begun(start)
    }
}

/// Some rank was asked to stop while an adapter began; nothing was trained or saved.
public struct StoppedBeforeTraining: OperationalError {
    public var summary: String { "stopped before training began" }
    public var likelyCause: String? { nil }
    public var remedy: String? { nil }
}

/// What came out when data began an adapter.
public enum BeginningReport: Sendable, Hashable {
    case note(String)
    case warning(String)
}

extension LoRAConfiguration.Initialization {
    /// How many windows a beginning by data looks at, where nobody says; EVA stops when it knows
    /// enough.
    var usualWindows: Int {
        switch self {
        case .eva: 64
        case .corda: 32
        case .loraGA: 8
        default: 0
        }
    }
}
