public import ApusBase

/// How the parameters of one unit lie in its flat buffers: end to end in the order of declaration,
/// padded once at the end so that the buffer divides evenly among ranks.
///
/// Trainable and frozen parameters have flat buffers of their own, since only the first have
/// gradients.
public struct UnitLayout: Sendable, Hashable {
    /// One parameter's place.
    public struct Slot: Sendable, Hashable {
        /// Index among all the model's parameters.
        public let parameter: Int
        public let spec: ParameterSpec
        public let range: Range<Int>
    }

    public let name: String
    public let isTrainable: Bool
    public let slots: [Slot]
    /// Elements of the flat buffer, padding included.
    public let elementCount: Int

    /// - specs: the unit's parameters of one kind, with their indices in the model
    /// - granularity: the padded count is a multiple of this (ranks times elements of a cache line)
    public init(
        name: String, isTrainable: Bool, specs: [(index: Int, spec: ParameterSpec)],
        granularity: Int
    ) {
        precondition(granularity > 0, "UnitLayout: a granularity of \(granularity)")
        self.name = name
        self.isTrainable = isTrainable
        var offset = 0
        slots = specs.map { index, spec in
            defer { offset += spec.elementCount }
            return Slot(
                parameter: index, spec: spec, range: offset..<offset + spec.elementCount)
        }
        elementCount = (offset + granularity - 1) / granularity * granularity
    }

    /// Runs of neighbouring parameters that share their weight decay: what one call of an
    /// element-wise update rule may take.
    public var decayRuns: [(range: Range<Int>, decays: Bool)] {
        var runs: [(range: Range<Int>, decays: Bool)] = []
        for slot in slots {
            if let last = runs.last, last.decays == slot.spec.decays {
                runs[runs.count - 1].range = last.range.lowerBound..<slot.range.upperBound
            } else {
                runs.append((slot.range, slot.spec.decays))
            }
        }
        return runs
    }
}

/// The layouts of a whole model.
public struct ModelLayout: Sendable, Hashable {
    public let units: [UnitLayout]

    /// - unitNames: by unit index, as the specs refer to it
    public init(specs: [ParameterSpec], unitNames: [String], worldSize: Int) {
        let indexed = Array(specs.enumerated())
        var units: [UnitLayout] = []
        for (unit, name) in unitNames.enumerated() {
            for isTrainable in [true, false] {
                let members = indexed.filter {
                    $0.element.unit == unit && $0.element.isTrainable == isTrainable
                }
                guard !members.isEmpty else { continue }
                units.append(
                    UnitLayout(
                        name: name, isTrainable: isTrainable,
                        specs: members.map { ($0.offset, $0.element) },
                        granularity: worldSize * Self.cacheLineElements))
            }
        }
        self.units = units
    }

    /// 64 bytes of fp32.
    static let cacheLineElements = 16
}
