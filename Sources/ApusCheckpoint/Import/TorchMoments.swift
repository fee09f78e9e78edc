internal import ApusBase
internal import ApusFormats

/// The Adam moments of a `torch.optim` state dictionary, which numbers parameters instead of
/// naming them.
///
/// The numbers count the parameters of the groups one after the other. Trainers make either one
/// group, or one of the parameters that decay and one of the others, each in the model's order;
/// both are tried, and the one whose shapes all agree is taken.
struct TorchMoments {
    private let file: PyTorchFile
    private var found: [(name: String, kind: String, tensor: PickledTensor)] = []
    private(set) var updates: Int?

    private static let names = [("exp_avg", "firstMoment"), ("exp_avg_sq", "secondMoment")]

    /// - parameters: in the model's order
    /// - Returns: nil without moments, or where no order fits
    init?(
        _ file: PyTorchFile, _ optimizer: PickleValue?,
        parameters: [(name: String, shape: [Int])]
    ) {
        self.file = file
        guard let states = optimizer?["state"]?.dictionary, states.count > 0,
            let groups = optimizer?["param_groups"]?.elements
        else { return nil }
        let numbers = groups.flatMap { $0["params"]?.elements ?? [] }.compactMap(\.intValue)
        let shapes = numbers.map { states[$0]?["exp_avg"]?.tensor?.shape }
        let firstCount = groups.first?["params"]?.elements?.count ?? 0
        let fitting = Self.orders(parameters, firstGroup: firstCount).first { order in
            order.count == shapes.count
                && zip(order, shapes).allSatisfy { $1 == nil || $0.shape == $1 }
        }
        guard let fitting else { return nil }
        for (parameter, number) in zip(fitting, numbers) {
            guard let state = states[number] else { continue }
            updates = updates ?? state["step"]?.count(in: file)
            for (name, kind) in Self.names {
                guard let tensor = state[name]?.tensor else { return nil }
                found.append((parameter.name, kind, tensor))
            }
        }
        if found.isEmpty { return nil }
    }

    private static func orders(
        _ parameters: [(name: String, shape: [Int])], firstGroup: Int
    ) -> [[(name: String, shape: [Int])]] {
        let decaying = parameters.filter { !isSpared($0.name) }
        let spared = parameters.filter { isSpared($0.name) }
        let isSplit = firstGroup == decaying.count && !spared.isEmpty
        return isSplit ? [decaying + spared] : [parameters]
    }

    /// The HuggingFace trainer's rule for what weight decay spares.
    private static func isSpared(_ name: String) -> Bool {
        let lower = name.lowercased()
        let parts = lower.split(separator: ".")
        return lower.contains("bias") || lower.contains("layernorm") || lower.contains("rmsnorm")
            || parts.contains { $0 == "norm" || $0.hasSuffix("_norm") }
    }

    func add(to state: inout PickledState) throws(FileError) {
        for (name, kind, tensor) in found { try state.add(StateKey(name, kind), file, tensor) }
    }
}
