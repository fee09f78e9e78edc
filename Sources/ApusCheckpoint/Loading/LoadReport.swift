internal import ApusBase

/// What a load restored and what it did not; the same on every rank.
public struct LoadReport: Sendable, Hashable {
    /// Tensors that were read.
    public var restored: [StateKey] = []
    /// Wanted, but not in the checkpoint.
    public var missing: [StateKey] = []
    /// In the checkpoint, but not wanted.
    public var unexpected: [StateKey] = []
    /// In both, in different shapes.
    public var reshaped: [String] = []

    public var isComplete: Bool { missing.isEmpty && unexpected.isEmpty && reshaped.isEmpty }

    /// `weight 148, firstMoment 148`
    public var summary: String {
        var counts: [(kind: String, count: Int)] = []
        for key in restored.filter({ $0.kind == StateKey.weight })
            + restored.filter({ $0.kind != StateKey.weight })
        {
            if let index = counts.firstIndex(where: { $0.kind == key.kind }) {
                counts[index].count += 1
            } else {
                counts.append((key.kind, 1))
            }
        }
        return counts.map { "\($0.kind) \($0.count)" }.joined(separator: ", ")
    }

    /// What does not fit, each kind with its number and the first names.
    public var differences: String {
        func part(_ what: String, _ names: [String]) -> String? {
            guard !names.isEmpty else { return nil }
            let shown = names.prefix(6).joined(separator: ", ")
            return "\(names.count) \(what): \(shown)" + (names.count > 6 ? ", ..." : "")
        }
        let parts = [
            part("missing", missing.map(\.description)),
            part("unexpected", unexpected.map(\.description)),
            part("of another shape", reshaped),
        ]
        return parts.compactMap { $0 }.joined(separator: "; ")
    }
}

/// What a load takes from a checkpoint, and what it puts up with.
public enum LoadPolicy: Sendable, Hashable {
    /// Checkpoint and state have exactly the same tensors.
    case everything
    /// Weights alone, all of them; the optimizer begins anew.
    case weights
    /// Whatever fits; the report tells what did not.
    case whatFits
}

extension Checkpoint {
    /// Fills the slices of all ranks from the checkpoint, whatever number of ranks wrote it.
    /// All ranks together; each reads only what it needs.
    ///
    /// Weights are converted where their dtype differs. Nothing is changed before it is certain
    /// that the checkpoint fits; damage found while reading leaves the state half filled.
    public func load(
        _ slices: [StateSlice], peers: any CheckpointPeers, policy: LoadPolicy = .everything
    ) throws -> LoadReport {
        let wanted = slices.filter { policy != .weights || $0.key.kind == StateKey.weight }
        let report = try compare(wanted, peers, policy)
        if policy != .whatFits, !report.isComplete {
            throw CheckpointError(
                "\(path) does not fit the run: \(report.differences)",
                likelyCause: "another model, optimizer or precision",
                remedy: "restore the recipe's settings, or take the weights alone")
        }
        _ = try peers.gather {
            let reads = wanted.compactMap { slice in
                tensor(slice.key).flatMap { tensor in
                    tensor.shape == slice.shape ? SliceRead(slice: slice, tensor: tensor) : nil
                }
            }
            try read(reads, threads: Self.threads(ranks: peers.worldSize))
            return .null
        }
        return report
    }

    /// What the ranks want together, beside what there is.
    private func compare(
        _ wanted: [StateSlice], _ peers: any CheckpointPeers, _ policy: LoadPolicy
    ) throws -> LoadReport {
        let lists = try peers.gather { .array(wanted.map(\.request)) }
        var shapes: [StateKey: [Int]] = [:]
        for request in lists.flatMap({ $0.arrayValue ?? [] }) {
            guard let (key, shape) = StateSlice.key(ofRequest: request) else { continue }
            shapes[key] = shape
        }
        var report = LoadReport()
        for (key, shape) in shapes.sorted(by: { $0.key < $1.key }) {
            guard let tensor = tensor(key) else {
                report.missing.append(key)
                continue
            }
            if tensor.shape == shape {
                report.restored.append(key)
            } else {
                report.reshaped.append("\(key) is \(tensor.shape) instead of \(shape)")
            }
        }
        report.unexpected = manifest.tensors.map(\.key).filter { key in
            shapes[key] == nil && (policy != .weights || key.kind == StateKey.weight)
        }
        return report
    }
}

extension StateSlice {
    /// What is asked of a checkpoint, for the other ranks to know.
    fileprivate var request: JSON {
        [
            .string(key.parameter), .string(key.kind),
            .array(shape.map { .integer($0) }),
        ]
    }

    fileprivate static func key(ofRequest json: JSON) -> (StateKey, [Int])? {
        guard let parts = json.arrayValue, parts.count == 3, let name = parts[0].stringValue,
            let kind = parts[1].stringValue, let shape = parts[2].arrayValue
        else { return nil }
        return (StateKey(name, kind), shape.compactMap(\.intValue))
    }
}
