internal import ApusBase
internal import ApusComm
internal import ApusData
internal import ApusModels
internal import ApusNN
internal import ApusTensor
internal import ApusZeRO

extension AdapterPreparation {
    /// LoRA-GA: the gradients that training the weights themselves would begin with, over all
    /// windows as over one.
    func approximateGradients(
        _ windows: [OptimizerWindow], _ report: (BeginningReport) -> Void
    ) throws -> AdapterStart {
        let weight = windows.reduce(0) { $0 + $1.lossWeight }
        guard weight > 0 else { throw AdapterError.noData }
        let engine = trained.engine
        try engine.beginWindow(gradientScale: 1 / weight)
        let steps = windows.flatMap { window in (0..<window.microSteps).map { (window, $0) } }
        for (place, (window, step)) in steps.enumerated() {
            let isLast = place == steps.count - 1
            if step == 0 { try heedStop() }
            guard let batch = trained.microBatch(window.microBatch(step)) else {
                try engine.skipMicroBatch(isLast: isLast)
                continue
            }
            let loss = try engine.computing { trained.lossSum(batch, isTraining: true) }
            try engine.backward(loss, isLast: isLast)
        }
        // Ends the window; what the weights are afterwards nobody asks.
        _ = try engine.step(learningRate: 0)
        let tokens = windows.reduce(0) { $0 + $1.trainedTokenCount }
        report(.note("lora_ga: gradients of \(tokens) tokens, factors of \(layers.count) layers"))
        return AdapterStart(configuration, factors: try shared(try ownFactors()))
    }

    /// The factors of the layers that this rank computes for.
    private func ownFactors() throws -> [String: Factors] {
        let names = trained.model.store.parameters.map(\.name)
        let indices = Dictionary(uniqueKeysWithValues: zip(names, names.indices))
        var own: [String: Factors] = [:]
        // In rounds: every rank gets one gradient, and then all compute.
        for begin in stride(from: 0, to: layers.count, by: group.worldSize) {
            var mine: (layer: Layer, gradient: Tensor)?
            for place in begin..<min(begin + group.worldSize, layers.count) {
                let layer = layers[place]
                guard let index = indices["\(layer.path).weight"],
                    let gradient = try trained.engine.fullGradient(ofParameter: index)
                else { preconditionFailure("no gradient for \(layer.path)") }
                if owner(place) == group.rank { mine = (layer, gradient) }
            }
            if let (layer, gradient) = mine {
                own[layer.path] = try adapted.gradientFactors(layer, gradient: gradient)
            }
        }
        return own
    }
}
