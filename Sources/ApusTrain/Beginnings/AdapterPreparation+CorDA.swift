internal import ApusBase
internal import ApusComm
internal import ApusData
internal import ApusModels
internal import ApusNN
internal import ApusTensor
internal import ApusZeRO

extension AdapterPreparation {
    /// CorDA: adds up the covariances of the layers' inputs over samples and ranks, and takes the
    /// factors out of the weights.
    func followCovariance(
        _ windows: [OptimizerWindow], _ report: (BeginningReport) -> Void
    ) throws -> AdapterStart {
        guard !windows.isEmpty else { throw AdapterError.noData }
        let (samples, sums) = try covariances(windows)
        report(.note("corda: covariances of \(samples) samples, factors of \(layers.count) layers"))
        return try spread { layer in
            guard let sum = sums[probe.leaders[layer.path] ?? layer.path] else {
                preconditionFailure("no covariance for \(layer.path)")
            }
            return try adapted.covariantFactors(
                layer, covariance: sum.to(.float32, device: device) / Double(samples))
        }
    }

    /// The covariances by the first layers of shared inputs, over all ranks.
    private func covariances(
        _ windows: [OptimizerWindow]
    ) throws -> (samples: Int, [String: Tensor]) {
        var sums: [String: InputCovariance] = [:]
        var ownSamples = 0
        let isNarrow = configuration.corda.isNarrow
        for window in windows {
            try heedStop()
            for batch in microBatches(window) {
                let samples = batch.samples
                ownSamples += samples.count
                probe.watch = { path, input in
                    let tokens = input.reshape(-1, input.size(-1))
                    for sample in samples {
                        sums[path, default: InputCovariance(isNarrow: isNarrow)]
                            .add(tokens.slice(0, sample))
                    }
                }
                try trained.look(batch)
            }
        }
        probe.watch = nil
        let told = try group.gathered([Double(ownSamples)], label: "samples to look at")
        let total = told.reduce(0) { $0 + Int($1[0]) }
        guard total > 0 else { throw AdapterError.noData }
        var all: [String: Tensor] = [:]
        for layer in layers where probe.leaders[layer.path] == layer.path {
            let width = inputWidth(layer)
            let dtype = isNarrow ? trained.engine.options.precision.compute : .float32
            let sum = (sums.removeValue(forKey: layer.path)?.sum).map { $0.to(device: .cpu) }
            let whole = sum ?? .zeros([width, width], dtype: dtype)
            try group.allReduce(whole, label: "covariance of \(layer.path)")
            all[layer.path] = whole
        }
        return (total, all)
    }
}

extension MicroBatch {
    /// The tokens of each sample, as places in the rows laid end to end.
    fileprivate var samples: [Range<Int>] {
        var samples: [Range<Int>] = []
        var begin = 0
        for place in 1...documents.count {
            let goes = place < documents.count && place % length != 0
            if goes, documents[place] == documents[begin] { continue }
            if documents[begin] > 0 { samples.append(begin..<place) }
            begin = place
        }
        return samples
    }
}
