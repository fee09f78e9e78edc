internal import ApusBase
internal import ApusFormats

/// The flat fp32 groups of DeepSpeed's stages 1 to 3 and the Adam moments beside them.
///
/// Stages 1 and 2 lay a group's parameters end to end and cut the whole among the ranks. Stage 3
/// cuts every parameter among the ranks, padded to equal pieces, and each rank lays its pieces end
/// to end over all groups.
struct FlatGroups {
    private let stage: Int
    private let files: [PyTorchFile]
    /// Weights, then moments by Apus's names: by group and, at stage 3, by rank.
    private var weights: [[FlatTensors]] = []
    private var moments: [(kind: String, flat: [[FlatTensors]])] = []
    private(set) var updates: Int?
    /// By group and parameter: elements of no use behind each, where DeepSpeed aligns parameters.
    private var gaps: [[Int]] = []

    private static let momentNames = [
        ("exp_avg", "firstMoment"), ("exp_avg_sq", "secondMoment"),
    ]

    init(_ files: DeepSpeedState.Files, stage: Int) throws(FileError) {
        self.stage = stage
        self.files = files.optimizers
        weights = try collect { file throws(FileError) in
            let states = file.value["optimizer_state_dict"]
            let key = stage == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups"
            return try file.require(states?[key], "\"\(key)\"") { value in
                value.elements?.compactMap(\.tensor)
            }
        }
        let paddings = files.optimizers.first?.value["optimizer_state_dict"]?[
            "param_alignment_paddings"]
        // DeepSpeed aligns to 16 bytes.
        gaps = (paddings?.elements ?? []).map { group in
            (group.elements ?? []).map { min(max($0.intValue ?? 0, 0), 16) }
        }
        for (name, kind) in Self.momentNames {
            var isThere = true
            let flat = try collect { file throws(FileError) in
                let groups = Self.groupStates(file, stage)
                let tensors = groups.compactMap { $0[name]?.tensor }
                isThere = isThere && !tensors.isEmpty && tensors.count == groups.count
                return tensors
            }
            if isThere { moments.append((kind, flat)) }
        }
        if let first = self.files.first, !moments.isEmpty {
            updates = Self.groupStates(first, stage).first?["step"]?.count(in: first)
        }
    }

    /// The base optimizer's state of each group.
    private static func groupStates(_ file: PyTorchFile, _ stage: Int) -> [PickledDictionary] {
        let states = file.value["optimizer_state_dict"]
        let base = stage == 3 ? states?["optimizer_state_dict"] : states?["base_optimizer_state"]
        let members = base?["state"]?.dictionary?.members ?? []
        let sorted = members.compactMap { key, value in
            key.intValue.flatMap { index in value.dictionary.map { (index, $0) } }
        }.sorted { $0.0 < $1.0 }
        return sorted.map(\.1)
    }

    /// Stages 1 and 2: one run for each group over all ranks. Stage 3: one run for each rank over
    /// all groups.
    private func collect(
        _ tensors: (PyTorchFile) throws(FileError) -> [PickledTensor]
    ) throws(FileError) -> [[FlatTensors]] {
        var runs: [FlatTensors] = []
        for (rank, file) in files.enumerated() {
            for (group, tensor) in try tensors(file).enumerated() {
                let run = stage == 3 ? rank : group
                while runs.count <= run { runs.append(FlatTensors()) }
                runs[run].append(file, tensor)
            }
        }
        return [runs]
    }

    /// Cuts the groups into parameters as the model's file lists them.
    func add(to state: inout PickledState, _ models: [PyTorchFile]) throws(FileError) {
        let model = models[0]
        let groups = try model.require(model.value["param_shapes"], "\"param_shapes\"") {
            $0.elements?.compactMap(\.dictionary)
        }
        var offset = 0
        for (group, shapes) in groups.enumerated() {
            if stage < 3 { offset = 0 }
            for (position, (key, value)) in shapes.members.enumerated() {
                guard let name = key.stringValue, let shape = value.shape else { continue }
                let count = shape.reduce(1, *)
                for (kind, flat) in [(StateKey.weight, weights)] + moments {
                    try state.add(
                        StateKey(name, kind), shape: shape,
                        pieces(flat[0], group: group, offset: offset, count: count),
                        path: model.path)
                }
                offset += stage < 3 ? count + gap(group, position) : chunk(count)
            }
        }
    }

    private func gap(_ group: Int, _ position: Int) -> Int {
        guard gaps.indices.contains(group), gaps[group].indices.contains(position) else { return 0 }
        return gaps[group][position]
    }

    private func chunk(_ count: Int) -> Int { (count + files.count - 1) / files.count }

    private func pieces(
        _ runs: [FlatTensors], group: Int, offset: Int, count: Int
    ) -> [FlatTensors.Piece] {
        guard stage == 3 else {
            return runs.indices.contains(group) ? runs[group].pieces(offset..<offset + count) : []
        }
        let chunk = chunk(count)
        return runs.enumerated().flatMap { rank, run in
            let own = max(0, min(chunk, count - rank * chunk))
            return run.pieces(offset..<offset + own)
        }
    }
}
