internal import ApusBase
internal import ApusComm
internal import ApusData
internal import ApusModels
internal import ApusTensor

/// The directions of the inputs of layers, each kept by one rank, which gets the rows of all.
final class GatheredInputs {
    /// The tokens of a micro-batch that count.
    struct Rows {
        /// Places in this rank's micro-batch.
        let places: [Int]
        /// By rank.
        let counts: [Int]
    }

    private let leaders: [String]
    private let counts: [String: Int]
    private let group: any ProcessGroup
    private var kept: [String: IncrementalDirections] = [:]
    private var known: [String: ExplainedVariance.Finding] = [:]
    /// The first failure inside of a forward pass, where it cannot be thrown.
    private var failure: CommError?

    init(_ leaders: [String], _ counts: [String: Int], _ group: any ProcessGroup) {
        self.leaders = leaders
        self.counts = counts
        self.group = group
        for (place, leader) in leaders.enumerated() where owner(place) == group.rank {
            kept[leader] = IncrementalDirections(count: counts[leader] ?? 0)
        }
    }

    private func owner(_ place: Int) -> Int { place % group.worldSize }

    func rows(_ batch: MicroBatch, trainedOnly: Bool) throws -> Rows {
        let places = batch.documents.indices.filter { place in
            batch.documents[place] > 0 && (!trainedOnly || batch.labels[place] != -100)
        }
        let told = try group.gathered([Double(places.count)], label: "tokens to look at")
        return Rows(places: places, counts: told.map { Int($0[0]) })
    }

    /// Inside of a forward pass, on all ranks: brings the rows to the rank that keeps the layer.
    func take(_ input: Tensor, of leader: String, _ rows: Rows) {
        let total = rows.counts.reduce(0, +)
        guard failure == nil, let place = leaders.firstIndex(of: leader),
            total >= counts[leader] ?? 0
        else { return }
        let own = input.reshape(-1, input.size(-1)).indexSelect(
            0, Tensor(rows.places).to(device: input.device)
        ).to(.float32, device: .cpu)
        do {
            guard let all = try gathered(own, rows, to: owner(place)) else { return }
            kept[leader]?.add(all.to(device: input.device))
        } catch {
            failure = error
        }
    }

    /// The rows of all ranks, in their order; nil on ranks that they do not go to.
    private func gathered(
        _ own: Tensor, _ rows: Rows, to owner: Int
    ) throws(CommError) -> Tensor? {
        guard group.worldSize > 1 else { return own }
        let (most, width) = (rows.counts.max() ?? 0, own.size(1))
        let padded = Tensor.zeros([most, width])
        if own.size(0) > 0 { padded.slice(0, 0..<own.size(0)).copyInPlace(from: own) }
        let isOwner = owner == group.rank
        let all = isOwner ? Tensor.empty([group.worldSize, most, width]) : nil
        try group.gather(padded, into: all, to: owner, label: "inputs of a layer")
        return all.map { all in
            Tensor.concatenate(
                rows.counts.enumerated().map { all.select(0, $0).slice(0, 0..<$1) })
        }
    }

    /// What is known of all layers now, the same on every rank.
    func findings() throws -> [String: ExplainedVariance.Finding] {
        if let failure { throw failure }
        // For each layer whether anything is known, then as many numbers of two kinds.
        var own: [Double] = []
        for leader in leaders {
            let (count, layer) = (counts[leader] ?? 0, kept[leader])
            let none = Array(repeating: 0.0, count: count)
            own.append(layer?.directions == nil ? 0 : layer?.steadiness.isEmpty ?? true ? 1 : 2)
            own += layer?.directions == nil ? none : layer?.explained ?? none
            own += layer?.steadiness.isEmpty ?? true ? none : layer?.steadiness ?? none
        }
        let told = try group.gathered(own, label: "directions of inputs")
        var offset = 0
        for (place, leader) in leaders.enumerated() {
            let (count, numbers) = (counts[leader] ?? 0, told[owner(place)])
            let parts = numbers[offset + 1..<offset + 1 + 2 * count]
            if numbers[offset] > 0 {
                known[leader] = .init(
                    explained: Array(parts.prefix(count)),
                    steadiness: numbers[offset] > 1 ? Array(parts.suffix(count)) : [])
            }
            offset += 1 + 2 * count
        }
        return known
    }

    func isKnown(_ leader: String) -> Bool { known[leader] != nil }

    /// nil on ranks that do not keep the layer.
    func directions(_ leader: String, whitened: Bool) -> Tensor? {
        guard let layer = kept[leader], let directions = layer.directions,
            let sizes = layer.singularValues
        else { return nil }
        return whitened ? directions / sizes.sqrt().unsqueeze(-1) : directions
    }
}
