package import ApusNN
package import ApusTensor

/// Declares the frozen model of an adapter, and shows what goes into the layers that will be
/// adapted.
package final class LayerProbe: LayerAdaptation {
    /// Is given the input `[..., inputs]` of a layer; of layers that share an input, of the first.
    package var watch: ((_ path: String, Tensor) -> Void)?
    private let plan: LoRAPlan
    private let watched: Set<String>
    /// By a layer's path: the first layer with the same input.
    package private(set) var leaders: [String: String] = [:]
    private var latest: (path: String, input: Tensor)?

    init(_ plan: LoRAPlan) {
        self.plan = plan
        watched = Set(plan.layersByData.map(\.path))
    }

    package func watcher(ofLayer path: String, kind: LayerKind) -> ((Tensor) -> Void)? {
        // The model's store holds the probe.
        watched.contains(path) ? { [unowned self] in see($0, at: path) } : nil
    }

    private func see(_ input: Tensor, at path: String) {
        let leader = leaders[path] ?? findLeader(input, of: path)
        if leader == path { watch?(path, input) }
    }

    /// Layers with the same input follow one another.
    private func findLeader(_ input: Tensor, of path: String) -> String {
        let isShared = latest?.input.isIdentical(to: input) ?? false
        let leader = isShared ? latest?.path ?? path : path
        leaders[path] = leader
        latest = (leader, input)
        return leader
    }

    // MARK: Nothing is adapted

    package func update(forLayer path: String, kind: LayerKind) -> LowRankOptions? { nil }
    package func update(ofExperts parameter: String) -> LowRankOptions? { nil }
    package var tiesUpdates: Bool { false }
    package func trainedRows(ofTable path: String) -> [Int]? { nil }
    package func trains(_ parameter: String) -> Bool { false }
    package func quantization(ofLayer path: String, kind: LayerKind) -> WeightQuantization? {
        plan.quantization(ofLayer: path, kind: kind)
    }
}

extension LoRAPlan {
    /// Those that data begins: all but embeddings.
    package var layersByData: [(path: String, kind: LayerKind, options: LowRankOptions)] {
        adapted.filter { $0.kind != .embedding }
    }
}
