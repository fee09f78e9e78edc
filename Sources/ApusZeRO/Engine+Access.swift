internal import ApusBase
internal import ApusComm
internal import ApusShard
public import ApusTensor

// Whole parameters, gradients and states out of shards. All ranks make these calls together.
extension Engine {
    /// Runs `body` while the parameters of some units are there to be read.
    ///
    /// - units: as the specifications refer to them
    public func withGathered<Result>(
        units: [Int], _ body: () throws -> Result
    ) throws -> Result {
        for unit in units { willForward(unit) }
        defer { for unit in units { didForward(unit, isRecorded: false, isClosed: false) } }
        return try computing(body)
    }

    /// Runs `body` on whole parameters, in the compute dtype.
    ///
    /// - parameters: indices among the specifications
    public func withGathered<Result>(
        _ parameters: [Int], _ body: ([Tensor]) throws -> Result
    ) throws -> Result {
        try withGathered(units: unitIndices(of: parameters)) {
            try body(parameters.map { tensor(ofParameter: $0).detached() })
        }
    }

    /// As ``withGathered(_:_:)``, and keeps what `body` changes in the tensors. Every rank makes
    /// the same change; elements that stay as they are keep the full precision of their masters.
    ///
    /// - Throws: `EngineError`, on all ranks, when ranks changed a parameter differently
    public func change(_ parameters: [Int], _ body: ([Tensor]) throws -> Void) throws {
        let changed = try withGathered(parameters) { tensors in
            try withoutGradient { try body(tensors) }
            return tensors.map { $0.to(.float32).clone().reshape(-1) }
        }
        try checkAgreement(parameters, changed)
        try weightsWillChange()
        for (parameter, values) in zip(parameters, changed) { write(values, to: parameter) }
        try weightsDidChange()
    }

    /// The gradient of the last window over all ranks, fp32, as the update used it but for
    /// clipping; nil before the first window and for frozen parameters.
    public func fullGradient(ofParameter parameter: Int) throws -> Tensor? {
        let place = place(ofParameter: parameter)
        guard let gradient = units[place.buffer].gradient, gradient.hasReduced else { return nil }
        let whole = try assembled(parameter, in: gradient.reducedRange) { piece in
            gradient.reduced.part(piece.range)
        }
        return whole * updateScale
    }

    /// A state that the update rule keeps for a parameter, by its name there (`firstMoment`); nil
    /// when there is none, or no step was taken yet.
    public func fullState(_ name: String, ofParameter parameter: Int) throws -> Tensor? {
        let place = place(ofParameter: parameter)
        let unit = units[place.buffer]
        switch unit.optimizer {
        case .elements(let optimizer):
            guard optimizer.stateNames.contains(name) else { return nil }
            return try assembled(parameter, in: unit.weights.ownRange) { piece in
                optimizer.states(of: piece).first { $0.name == name }?.memory
            }
        case .wholeParameters(let optimizer):
            return try optimizer.state(name, ofSlot: place.slot)
        case nil:
            return nil
        }
    }

    /// The norm of every parameter's gradient in the last window, by index among the
    /// specifications; frozen parameters are left out.
    public func gradientNorms() throws -> [Int: Double] {
        var squares = Array(repeating: 0.0, count: layout.parameterCount)
        var isTrained = Array(repeating: false, count: layout.parameterCount)
        for unit in units {
            guard let gradient = unit.gradient, gradient.hasReduced else { continue }
            let shard = unit.layout.shard(groups.shard.rank)
            for piece in unit.layout.pieces(in: shard) {
                let parameter = unit.layout.slots[piece.slot].parameter
                squares[parameter] += gradient.shardPart.part(piece.range).sumOfSquares()
            }
            for slot in unit.layout.slots { isTrained[slot.parameter] = true }
        }
        let told = try group.gathered(squares, label: "gradient norms")
        var norms: [Int: Double] = [:]
        for parameter in squares.indices where isTrained[parameter] {
            let sum = groups.shardMembers.reduce(0) { $0 + told[$1][parameter] }
            norms[parameter] = sum.squareRoot() * updateScale
        }
        return norms
    }

    // MARK: Pieces

    private func unitIndices(of parameters: [Int]) -> [Int] {
        Set(parameters.map { units[place(ofParameter: $0).buffer].layout.unit }).sorted()
    }

    /// A whole parameter in fp32: every rank of the group writes its pieces into zeros, and the sum
    /// over the ranks puts them together.
    private func assembled(
        _ parameter: Int, in range: Range<Int>, _ memory: (UnitLayout.Piece) -> Tensor?
    ) throws -> Tensor {
        let place = place(ofParameter: parameter)
        let layout = units[place.buffer].layout
        let shape = layout.slots[place.slot].spec.shape
        let count = layout.slots[place.slot].spec.elementCount
        let whole = Tensor.zeros([count], device: options.device)
        for piece in layout.pieces(in: range) where piece.slot == place.slot {
            if let source = memory(piece) { whole.part(piece.elements).assign(source) }
        }
        if range.count < layout.elementCount {
            try groups.shard.allReduce(whole, label: layout.slots[place.slot].spec.name)
        }
        return whole.reshape(shape)
    }

    /// Writes the elements of a parameter that this rank holds.
    private func write(_ values: Tensor, to parameter: Int) {
        let place = place(ofParameter: parameter)
        let weights = units[place.buffer].weights
        for piece in weights.layout.pieces(in: weights.ownRange) where piece.slot == place.slot {
            let new = values.part(piece.elements)
            let own = weights.own.part(piece.range)
            if let masters = weights.masters?.part(piece.range) {
                withoutGradient {
                    let isKept = masters.to(own.dtype).isEqual(to: new.to(own.dtype))
                    masters.copyInPlace(from: .select(isKept, masters, new))
                }
            }
            own.assign(new)
        }
    }

    private func checkAgreement(_ parameters: [Int], _ changed: [Tensor]) throws {
        let own = changed.map { Double(fingerprint($0) >> 12) }
        let told = try group.gathered(own, label: "changed parameters")
        for (index, parameter) in parameters.enumerated() {
            guard let other = told.firstIndex(where: { $0[index] != told[0][index] }) else {
                continue
            }
            let place = place(ofParameter: parameter)
            let name = units[place.buffer].layout.slots[place.slot].spec.name
            throw EngineError(
                "rank \(other) changed \(name) to other values than rank 0",
                likelyCause: "the change depends on the rank, its data or unseeded random numbers",
                remedy: "make the same change on every rank, or broadcast it first")
        }
    }

    /// FNV-1a over the bits, in words.
    private func fingerprint(_ tensor: Tensor) -> UInt64 {
        tensor.floats().reduce(0xCBF2_9CE4_8422_2325) {
            ($0 ^ UInt64($1.bitPattern)) &* 0x0000_0100_0000_01B3
        }
    }
}

extension ModelLayout {
    var parameterCount: Int { units.reduce(0) { $0 + $1.slots.count } }
}
