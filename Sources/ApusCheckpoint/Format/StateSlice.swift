public import ApusBase

/// Which tensor of the training state.
public struct StateKey: Sendable, Hashable {
    /// The parameter, under the model's name for it.
    public let parameter: String
    /// What of it: ``weight``, or the optimizer's name of one of its states (`firstMoment`).
    public let kind: String

    /// Master weights, or the weights themselves where there are no masters.
    public static let weight = "weight"

    public init(_ parameter: String, _ kind: String = StateKey.weight) {
        self.parameter = parameter
        self.kind = kind
    }
}

extension StateKey: Comparable, CustomStringConvertible {
    public var description: String { kind == Self.weight ? parameter : "\(parameter) (\(kind))" }

    public static func < (left: StateKey, right: StateKey) -> Bool {
        (left.parameter, left.kind) < (right.parameter, right.kind)
    }
}

/// A run of elements of one tensor of the training state, in this rank's memory.
///
/// The memory is borrowed: it is read while a checkpoint is saved and written while one is loaded.
public struct StateSlice {
    public let key: StateKey
    /// Of the whole tensor.
    public let shape: [Int]
    public let dtype: DType
    /// Row-major positions in the whole tensor.
    public let elements: Range<Int>
    /// Exactly these elements.
    public let memory: UnsafeMutableRawBufferPointer
    /// Which of the ranks that hold the same slice this one is.
    public let replica: Replica

    public struct Replica: Sendable, Hashable {
        public let index: Int
        public let count: Int

        public static let only = Replica(index: 0, count: 1)

        public init(index: Int, count: Int) {
            precondition((0..<count).contains(index), "Replica: \(index) of \(count)")
            self.index = index
            self.count = count
        }
    }

    public init(
        _ key: StateKey, shape: [Int], dtype: DType, elements: Range<Int>,
        memory: UnsafeMutableRawBufferPointer, replica: Replica = .only
    ) {
        precondition(
            elements.lowerBound >= 0 && elements.upperBound <= shape.reduce(1, *),
            "StateSlice: elements \(elements) of \(key) with shape \(shape)")
        precondition(
            memory.count == elements.count * dtype.byteCount,
            "StateSlice: \(memory.count) bytes for \(elements.count) elements of \(dtype)")
        self.key = key
        self.shape = shape
        self.dtype = dtype
        self.elements = elements
        self.memory = memory
        self.replica = replica
    }

    /// These elements of the tensor, which are among the slice's own.
    func part(_ part: Range<Int>) -> StateSlice {
        let start = (part.lowerBound - elements.lowerBound) * dtype.byteCount
        let bytes = start..<(start + part.count * dtype.byteCount)
        return StateSlice(
            key, shape: shape, dtype: dtype, elements: part,
            memory: UnsafeMutableRawBufferPointer(rebasing: memory[bytes]))
    }
}

extension [StateSlice] {
    /// What this rank writes: of slices that several ranks hold, each writes a part of nearly equal
    /// size.
    ///
    /// The slices with one replica index are cut as if they lay end to end, so that few are cut.
    /// Replicas hold the same slices in the same order.
    var ownShare: [StateSlice] {
        let totals = Dictionary(grouping: self, by: \.replica).mapValues { slices in
            slices.reduce(0) { $0 + $1.memory.count }
        }
        var positions: [StateSlice.Replica: Int] = [:]
        return compactMap { slice in
            let replica = slice.replica
            let start = positions[replica, default: 0]
            positions[replica] = start + slice.memory.count
            let total = totals[replica] ?? 0
            let from = total * replica.index / replica.count
            let to = total * (replica.index + 1) / replica.count
            return slice.overlap(start: start, with: from..<to)
        }
    }
}

extension StateSlice {
    /// The elements whose first bytes lie in `window` when the slice's bytes begin at `start`.
    fileprivate func overlap(start: Int, with window: Range<Int>) -> StateSlice? {
        let size = dtype.byteCount
        func element(_ position: Int) -> Int {
            let local = Swift.max(0, position - start)
            return elements.lowerBound + Swift.min(elements.count, (local + size - 1) / size)
        }
        let part = element(window.lowerBound)..<element(window.upperBound)
        return part.isEmpty ? nil : self.part(part)
    }
}
