public import ApusBase

/// How the parameters of one unit lie in its flat buffers: end to end in the order of declaration,
/// padded once at the end so that the buffer divides evenly among the ranks that share it.
///
/// Trainable and frozen parameters, and those of another dtype than the model's, have flat buffers
/// of their own. From this value alone follows which rank holds which element of a parameter;
/// checkpoints and resharding are arithmetic on it.
public struct UnitLayout: Sendable, Hashable {
    /// One parameter's place.
    public struct Slot: Sendable, Hashable {
        /// Index among all the model's parameters.
        public let parameter: Int
        public let spec: ParameterSpec
        public let range: Range<Int>
    }

    /// What a unit's parameters of one flat buffer have in common.
    public struct Kind: Sendable, Hashable {
        public var isTrainable: Bool
        /// nil: the dtype that the model computes with.
        public var dtype: DType?

        public init(isTrainable: Bool, dtype: DType? = nil) {
            self.isTrainable = isTrainable
            self.dtype = dtype
        }
    }

    public let name: String
    /// The unit's index, as specifications refer to it.
    public let unit: Int
    public let kind: Kind
    public let slots: [Slot]
    /// Elements of the flat buffer, padding included.
    public let elementCount: Int
    /// In how many equal parts the buffer is cut.
    public let shardCount: Int

    /// - specs: the unit's parameters of one kind, with their indices in the model
    public init(
        name: String, unit: Int = 0, kind: Kind, specs: [(index: Int, spec: ParameterSpec)],
        shardCount: Int
    ) {
        precondition(shardCount > 0, "UnitLayout: \(shardCount) shards")
        self.name = name
        self.unit = unit
        self.kind = kind
        self.shardCount = shardCount
        var offset = 0
        slots = specs.map { index, spec in
            defer { offset += spec.elementCount }
            return Slot(
                parameter: index, spec: spec, range: offset..<offset + spec.elementCount)
        }
        // Never empty, so that every rank has something to send.
        let granularity = shardCount * Self.cacheLineElements
        elementCount = max(1, (offset + granularity - 1) / granularity) * granularity
    }

    public var isTrainable: Bool { kind.isTrainable }

    /// Elements of parameters; the rest is padding.
    public var usedCount: Int { slots.last?.range.upperBound ?? 0 }

    /// The part of the flat buffer that a rank of the sharding group holds.
    public func shard(_ index: Int) -> Range<Int> {
        precondition(
            index >= 0 && index < shardCount, "UnitLayout: shard \(index) of \(shardCount)")
        let size = elementCount / shardCount
        return index * size..<(index + 1) * size
    }

    /// The pieces of parameters in a part of the flat buffer.
    public func pieces(in part: Range<Int>) -> [Piece] {
        slots.indices.compactMap { index in
            let common = slots[index].range.clamped(to: part)
            guard !common.isEmpty else { return nil }
            let start = slots[index].range.lowerBound
            return Piece(
                slot: index,
                elements: common.lowerBound - start..<common.upperBound - start,
                offset: common.lowerBound - part.lowerBound)
        }
    }

    /// Some elements of a parameter within a part of the flat buffer.
    public struct Piece: Sendable, Hashable {
        public let slot: Int
        /// Of the parameter, in row-major order.
        public let elements: Range<Int>
        /// Of the first of them, from the start of the part.
        public let offset: Int

        /// Where the elements lie in the part.
        public var range: Range<Int> { offset..<offset + elements.count }
    }

    /// Neighbouring parameters that are updated alike: what one call of an element-wise update rule
    /// may take.
    public struct UpdateRun: Sendable, Hashable {
        /// Counted from the part's start.
        public fileprivate(set) var range: Range<Int>
        public let decays: Bool
        public let rateFactor: Double
    }

    /// The runs in a part of the flat buffer, cut where weight decay or learning rate change.
    public func updateRuns(in part: Range<Int>) -> [UpdateRun] {
        var runs: [UpdateRun] = []
        for piece in pieces(in: part) {
            let spec = slots[piece.slot].spec
            if let last = runs.last, last.decays == spec.decays,
                last.rateFactor == spec.rateFactor
            {
                runs[runs.count - 1].range = last.range.lowerBound..<piece.range.upperBound
            } else {
                runs.append(
                    UpdateRun(
                        range: piece.range, decays: spec.decays, rateFactor: spec.rateFactor))
            }
        }
        return runs
    }

    /// 64 bytes of fp32.
    static let cacheLineElements = 16
}

/// The layouts of a whole model.
public struct ModelLayout: Sendable, Hashable {
    public let units: [UnitLayout]

    /// - unitNames: by unit index, as the specs refer to it
    /// - shardCount: ranks that share one copy
    public init(specs: [ParameterSpec], unitNames: [String], shardCount: Int) {
        var members: [Int: [UnitLayout.Kind: [(index: Int, spec: ParameterSpec)]]] = [:]
        var kinds: [UnitLayout.Kind] = []
        for (index, spec) in specs.enumerated() {
            let kind = UnitLayout.Kind(isTrainable: spec.isTrainable, dtype: spec.dtype)
            if !kinds.contains(kind) { kinds.append(kind) }
            members[spec.unit, default: [:]][kind, default: []].append((index, spec))
        }
        // Trainable before frozen, otherwise in the order of appearance.
        let ordered = kinds.filter(\.isTrainable) + kinds.filter { !$0.isTrainable }
        units = unitNames.enumerated().flatMap { unit, name in
            ordered.compactMap { kind in
                members[unit]?[kind].map {
                    UnitLayout(
                        name: name, unit: unit, kind: kind, specs: $0, shardCount: shardCount)
                }
            }
        }
    }
}
