internal import ApusBase
internal import ApusComm
internal import ApusData
internal import ApusModels
internal import ApusNN
internal import ApusTensor

extension AdapterPreparation {
    /// EVA: looks at inputs until the directions in which they vary have settled, and lets the
    /// layers share out the ranks.
    func explainVariance(
        _ windows: [OptimizerWindow], _ report: (BeginningReport) -> Void
    ) throws -> AdapterStart {
        let settings = configuration.eva
        guard let first = windows.first else { throw AdapterError.noData }
        // Once through, to see which layers share an input.
        try trained.look(first.microBatch(0) ?? .padding)
        let widths = layers.map { (layer: $0, leader: probe.leaders[$0.path] ?? $0.path) }
        var variance = ExplainedVariance(
            widths.map { ($0.layer.path, $0.leader, $0.layer.options.rank, inputWidth($0.layer)) },
            settings)
        let inputs = GatheredInputs(variance.leaders, variance.directionCounts, group)
        var seen = 0
        search: for window in windows {
            try heedStop()
            for batch in microBatches(window) {
                let moving = Set(variance.moving)
                if moving.isEmpty { break search }
                let rows = try inputs.rows(batch, trainedOnly: settings.usesLabelMask)
                probe.watch = { if moving.contains($0) { inputs.take($1, of: $0, rows) } }
                try trained.look(batch)
                probe.watch = nil
                variance.update(try inputs.findings())
            }
            seen += 1
            // Often at first, then seldom.
            if seen & (seen - 1) == 0, seen < windows.count {
                let (all, moving) = (variance.leaders.count, variance.moving.count)
                report(
                    .note("eva: \(all - moving) of \(all) inputs have settled after \(seen) steps"))
            }
        }
        tell(variance, windows: seen, report)
        return try start(variance, inputs)
    }

    private func start(
        _ variance: ExplainedVariance, _ inputs: GatheredInputs
    ) throws -> AdapterStart {
        var directions: [String: Tensor] = [:]
        for (place, leader) in variance.leaders.enumerated() {
            guard inputs.isKnown(leader), let layer = layers.first(where: { $0.path == leader })
            else { throw AdapterError.tooFewTokens(leader, variance.directionCounts[leader] ?? 0) }
            let shape = [variance.directionCounts[leader] ?? 0, inputWidth(layer)]
            directions[leader] = try told(
                inputs.directions(leader, whitened: configuration.eva.whitens), shape,
                by: owner(place))
        }
        var factors: [String: Factors] = [:]
        for layer in layers {
            guard let rank = variance.ranks[layer.path], rank > 0 else { continue }
            let down = directions[probe.leaders[layer.path] ?? layer.path]?.slice(0, 0..<rank)
            factors[layer.path] = down.map { ($0, zeroUp(layer, rank: rank)) }
        }
        let plan = adapted.weights.plan
        let all = plan.adapted.map { ($0.path, $0.options.rank, plan.alpha($0.path)) }
        return AdapterStart(configuration.sharing(variance.ranks, all), factors: factors)
    }

    private func tell(
        _ variance: ExplainedVariance, windows: Int, _ report: (BeginningReport) -> Void
    ) {
        let ranks = variance.ranks.values
        let none = ranks.filter { $0 == 0 }.count
        let without = none > 0 ? ", \(none) of \(ranks.count) layers have none" : ""
        report(
            .note(
                "eva: ranks from \(ranks.min() ?? 0) to \(ranks.max() ?? 0) after the data of "
                    + "\(windows) steps\(without)"))
        let moving = variance.moving.count
        guard moving > 0 else { return }
        report(
            .warning(
                "eva: the directions of \(moving) of \(variance.leaders.count) inputs have not "
                    + "settled (tau \(configuration.eva.tau)): more data (peft_init_steps), larger "
                    + "batches or a smaller tau let them"))
    }
}

extension AdapterError {
    static var noData: AdapterError {
        AdapterError(
            summary: "there is no data to begin the adapter by", remedy: "show at least one window")
    }

    fileprivate static func tooFewTokens(_ path: String, _ count: Int) -> AdapterError {
        AdapterError(
            summary: "eva looks for \(count) directions of the inputs of \(path), and no "
                + "micro-batch has as many tokens that count",
            likelyCause: "short samples of which few tokens are trained",
            remedy: "raise micro_batch_size, lower lora_r or rho, or set use_label_mask: false")
    }
}
