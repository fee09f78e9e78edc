internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The fp32 masters and Adam moments of DeepSpeed's stage 0 in 16 bits, which have no names.
///
/// Each of the optimizer's groups lists parameters in the model's order, in tensors of their own or
/// laid end to end. Which parameters these are is told by their values: a master rounds to the
/// module's weight bit for bit. An order that does not fit is never trusted.
struct UnnamedMasters {
    typealias Parameter = (name: String, tensor: PickledTensor)

    private struct Place {
        let parameter: Parameter
        let group: Int
        let elements: Range<Int>
    }

    private let file: PyTorchFile
    /// By kind: what each group holds, end to end.
    private var groups: [(kind: String, runs: [FlatTensors])]
    private var places: [Place] = []
    private(set) var updates: Int?
    /// Why the masters' names cannot be told; nil where they are.
    private(set) var doubt: String?

    private static let momentNames = [
        ("exp_avg", "firstMoment"), ("exp_avg_sq", "secondMoment"),
    ]

    /// - parameters: the module's weights, in its order, tied ones once
    init(
        _ file: PyTorchFile, _ optimizer: PickleValue?, of parameters: [Parameter]
    ) throws(FileError) {
        self.file = file
        let listed = (optimizer?["fp32_groups_flat"] ?? optimizer?["fp32_groups"])?.elements ?? []
        let masters = listed.map { group in
            group.tensor.map { [$0] } ?? (group.elements ?? []).compactMap(\.tensor)
        }
        groups = [(StateKey.weight, masters.map { Self.run(file, $0) })]
        doubt = try find(parameters)
        if doubt == nil { doubt = try lookAlikes(parameters) }
        addMoments(optimizer?["optimizer_state_dict"])
    }

    private static func run(_ file: PyTorchFile, _ tensors: [PickledTensor]) -> FlatTensors {
        tensors.reduce(into: FlatTensors()) { $0.append(file, $1) }
    }

    /// Walks through each group and takes the parameters whose values come next.
    private mutating func find(_ parameters: [Parameter]) throws(FileError) -> String? {
        var free = parameters
        for (group, run) in groups[0].runs.enumerated() {
            var offset = 0
            var left: [Parameter] = []
            for parameter in free {
                let elements = offset..<offset + parameter.tensor.elementCount
                guard elements.upperBound <= run.count,
                    try parameter.tensor.isRounded(from: run.pieces(elements), in: file)
                else {
                    left.append(parameter)
                    continue
                }
                places.append(Place(parameter: parameter, group: group, elements: elements))
                offset = elements.upperBound
            }
            guard offset == run.count else {
                return "those of group \(group) from element \(offset) on round to no weights of "
                    + "the model in its order"
            }
            free = left
        }
        return nil
    }

    /// A weight that equals one of another group, or one that no group has, could be either.
    private func lookAlikes(_ parameters: [Parameter]) throws(FileError) -> String? {
        let groups = Dictionary(uniqueKeysWithValues: places.map { ($0.parameter.name, $0.group) })
        var known: [[Float]: [Parameter]] = [:]
        for parameter in parameters {
            let key = try parameter.tensor.beginning(in: file)
            for other in known[key] ?? [] where groups[other.name] != groups[parameter.name] {
                guard other.tensor.shape == parameter.tensor.shape else { continue }
                let part = FlatTensors.Part(file: file, tensor: other.tensor)
                let whole = FlatTensors.Piece(part: part, elements: 0..<other.tensor.elementCount)
                guard try parameter.tensor.isRounded(from: [whole], in: file) else { continue }
                return "\(other.name) and \(parameter.name) have the same values"
            }
            known[key, default: []].append(parameter)
        }
        return nil
    }

    /// The moments of every group as long as its masters, or none.
    private mutating func addMoments(_ base: PickleValue?) {
        let states = base?["state"]?.dictionary
        let numbers = (base?["param_groups"]?.elements ?? []).map { group in
            (group["params"]?.elements ?? []).compactMap(\.intValue)
        }
        for (name, kind) in Self.momentNames {
            let runs = numbers.map { group in
                Self.run(file, group.compactMap { states?[$0]?[name]?.tensor })
            }
            guard runs.map(\.count) == groups[0].runs.map(\.count) else { continue }
            groups.append((kind, runs))
        }
        guard groups.count > 1, let first = numbers.first?.first else { return }
        updates = states?[first]?["step"]?.count(in: file)
    }

    func add(to state: inout PickledState) throws(FileError) {
        for place in places {
            for (kind, runs) in groups {
                try state.add(
                    StateKey(place.parameter.name, kind), shape: place.parameter.tensor.shape,
                    runs[place.group].pieces(place.elements), path: file.path)
            }
        }
    }
}

extension PickledTensor {
    private static let tile = 1 << 16

    /// Whether these pieces, rounded to this tensor's type, are this tensor.
    fileprivate func isRounded(
        from pieces: [FlatTensors.Piece], in file: PyTorchFile
    ) throws(FileError) -> Bool {
        guard let dtype = dtype.dtype, dtype.isFloatingPoint else { return false }
        let tile = min(Self.tile, elementCount)
        let own = UnsafeMutableRawBufferPointer.allocate(
            byteCount: tile * dtype.byteCount, alignment: 64)
        let other = UnsafeMutableRawBufferPointer.allocate(
            byteCount: tile * dtype.byteCount, alignment: 64)
        defer {
            own.deallocate()
            other.deallocate()
        }
        for start in stride(from: 0, to: elementCount, by: max(tile, 1)) {
            let part = start..<min(start + tile, elementCount)
            let bytes = 0..<part.count * dtype.byteCount
            try file.read(
                self, "a weight", elements: part, as: dtype,
                into: UnsafeMutableRawBufferPointer(rebasing: own[bytes]))
            try pieces.read(
                "a master", part, as: dtype,
                into: UnsafeMutableRawBufferPointer(rebasing: other[bytes]))
            if memcmp(own.baseAddress!, other.baseAddress!, bytes.count) != 0 { return false }
        }
        return true
    }

    /// The first values, to tell most tensors apart.
    fileprivate func beginning(in file: PyTorchFile) throws(FileError) -> [Float] {
        var values = [Float](repeating: 0, count: min(16, elementCount))
        let count = values.count
        try values.withUnsafeMutableBufferPointer { buffer throws(FileError) in
            try file.read(
                self, "a weight", elements: 0..<count, as: .float32,
                into: UnsafeMutableRawBufferPointer(buffer))
        }
        return values
    }
}
