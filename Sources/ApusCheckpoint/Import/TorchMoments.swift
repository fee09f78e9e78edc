internal import ApusBase
internal import ApusFormats

/// The Adam moments of a `torch.optim` state dictionary, which names parameters or, mostly, numbers
/// them.
///
/// The numbers count the parameters of the groups one after the other. Trainers make either one
/// group, or one of the parameters that decay and one of the others, each in the model's order.
struct TorchMoments {
    private let file: PyTorchFile
    private var found: [(name: String, kind: String, tensor: PickledTensor)] = []
    private(set) var updates: Int?

    private static let names = [("exp_avg", "firstMoment"), ("exp_avg_sq", "secondMoment")]

    /// - orders: in which the model may declare its parameters
    /// - Returns: nil without moments, and unless the shapes of one order alone agree
    init?(_ file: PyTorchFile, _ optimizer: PickleValue?, orders: [[NumberedParameter]]) {
        self.file = file
        guard let states = optimizer?["state"]?.dictionary, states.count > 0,
            let groups = optimizer?["param_groups"]?.elements
        else { return nil }
        let listed = groups.map { $0["params"]?.elements ?? [] }
        let numbers = listed.joined().compactMap(\.intValue)
        let pairs: [(name: String, state: PickleValue)]
        if numbers.isEmpty {
            pairs = states.members.compactMap { key, state in key.stringValue.map { ($0, state) } }
        } else {
            let shapes = numbers.map { states[$0]?["exp_avg"]?.tensor?.shape }
            guard let order = Self.fitting(orders, shapes, firstGroup: listed[0].count) else {
                return nil
            }
            pairs = zip(order, numbers).compactMap { name, number in
                states[number].map { (name, $0) }
            }
        }
        for (parameter, state) in pairs {
            updates = updates ?? state["step"]?.count(in: file)
            for (name, kind) in Self.names {
                guard let tensor = state[name]?.tensor else { return nil }
                found.append((parameter, kind, tensor))
            }
        }
        if found.isEmpty { return nil }
    }

    /// The names in the only order in which the shapes are those of the moments.
    private static func fitting(
        _ orders: [[NumberedParameter]], _ shapes: [[Int]?], firstGroup: Int
    ) -> [String]? {
        let fitting = orders.map { grouped($0, firstGroup: firstGroup) }.filter { order in
            order.count == shapes.count
                && zip(order, shapes).allSatisfy { $1 == nil || $0.shape == $1 }
        }
        let names = Set(fitting.map { $0.map(\.name) })
        return names.count == 1 ? names.first : nil
    }

    private static func grouped(
        _ parameters: [NumberedParameter], firstGroup: Int
    ) -> [NumberedParameter] {
        let decaying = parameters.filter { !ParameterOrder.isSpared($0.name) }
        let spared = parameters.filter { ParameterOrder.isSpared($0.name) }
        return firstGroup == decaying.count && !spared.isEmpty ? decaying + spared : parameters
    }

    func add(to state: inout PickledState) throws(FileError) {
        for (name, kind, tensor) in found { try state.add(StateKey(name, kind), file, tensor) }
    }
}
