internal import ApusBase
internal import ApusCheckpoint
internal import ApusTensor
internal import ApusZeRO

/// An engine's state as slices of host memory.
struct EngineState {
    let slices: [ApusCheckpoint.StateSlice]
    /// What keeps the memory; of tensors on a device, the copies on the host.
    private let hosts: [(tensor: Tensor, host: Tensor)]

    init(_ slices: [ApusZeRO.StateSlice]) {
        var hosts: [(Tensor, Tensor)] = []
        self.slices = slices.filter { !$0.elements.isEmpty }.map { slice in
            let host = slice.memory.device == .cpu ? slice.memory : slice.memory.to(device: .cpu)
            hosts.append((slice.memory, host))
            guard let memory = host.hostMemory else {
                preconditionFailure("the state of \(slice.parameter) is not contiguous")
            }
            let kind =
                switch slice.kind {
                case .weight: StateKey.weight
                case .optimizerState(let name): name
                }
            return ApusCheckpoint.StateSlice(
                StateKey(slice.parameter, kind), shape: slice.shape, dtype: host.dtype,
                elements: slice.elements, memory: memory,
                replica: .init(index: slice.copies.index, count: slice.copies.count))
        }
        self.hosts = hosts
    }

    /// Brings what was read to tensors on a device.
    func store() {
        for (tensor, host) in hosts where tensor.device != .cpu { tensor.copyInPlace(from: host) }
    }
}

extension Engine {
    /// Fills weights and, unless only those are wanted, optimizer states from a checkpoint. All
    /// ranks together.
    ///
    /// - trainer: gives what the optimizer counts from, and the loss scale
    func load(
        _ checkpoint: Checkpoint, _ trainer: TrainerState, peers: any CheckpointPeers,
        policy: LoadPolicy
    ) throws -> LoadReport {
        var report: LoadReport?
        let scaler = trainer.lossScaler.flatMap { json in
            lossScaler.flatMap { LossScaler($0.policy, json) }
        }
        try restore(updateCount: trainer.updates, lossScaler: scaler) { slices in
            let state = EngineState(slices)
            report = try withExtendedLifetime(state) {
                try checkpoint.load(state.slices, peers: peers, policy: policy)
            }
            state.store()
        }
        guard let report else { preconditionFailure("restore did not fill the state") }
        return report
    }
}

extension LossScaler {
    var json: JSON {
        [
            "scale": .number(scale), "good_steps": .integer(goodSteps),
            "patience": .integer(patience),
        ]
    }

    fileprivate init?(_ policy: LossScalePolicy, _ json: JSON) {
        guard let scale = json["scale"]?.doubleValue, let goodSteps = json["good_steps"]?.intValue,
            let patience = json["patience"]?.intValue
        else { return nil }
        self.init(policy, scale: scale, goodSteps: goodSteps, patience: patience)
    }
}
