/// What of an adapter memory depends on: a few trained matrices beside frozen weights.
public struct AdapterOutline: Sendable, Hashable {
    public enum Targets: Sendable, Hashable {
        /// Every linear layer of the blocks.
        case allLinear
        case named([String])
        /// The layers whose names stand in the expression: it is not evaluated.
        case matching(String)
        /// What PEFT adapts where nobody says.
        case usual
    }

    public var rank = 8
    /// For layers of these names.
    public var ranks: [String: Int] = [:]
    public var targets = Targets.usual
    public var excluded: [String] = []
    /// Blocks; nil: all of them.
    public var layers: [Int]?
    /// Modules that are trained as a whole.
    public var savedModules: [String] = []
    public var hasDropout = false
    /// DoRA.
    public var isWeightDecomposed = false
    /// Of a frozen number in a linear layer; nil: they are held as the model computes.
    public var quantizedBits: Double?

    /// What data gives before training; nil: it gives nothing, or little.
    public enum Beginning: Sendable, Hashable {
        /// Of the adapted matrices (LoRA-GA).
        case gradients
        /// Of the adapted layers' inputs (CorDA).
        case covariances
    }
    public var beginning: Beginning?
    /// The adapted matrices are trained instead of what would stand beside them.
    var trainsTargets = false

    public init() {}

    func isTarget(_ matrix: ModelOutline.Matrix, usual: [String]) -> Bool {
        let isExcluded = excluded.contains { matrix.isNamed($0) }
        if matrix.kind == .experts || isExcluded { return false }
        return switch targets {
        case .allLinear: matrix.kind == .layer
        case .named(let names): names.contains { matrix.isNamed($0) }
        case .matching(let expression): expression.contains(matrix.name)
        case .usual: usual.contains { matrix.isNamed($0) }
        }
    }

    func isSaved(_ matrix: ModelOutline.Matrix) -> Bool {
        savedModules.contains { matrix.isNamed($0) }
    }

    /// Trained numbers beside a matrix.
    func count(_ matrix: ModelOutline.Matrix) -> Int {
        let rank = ranks.first { matrix.isNamed($0.key) }?.value ?? rank
        return rank * (matrix.inputs + matrix.outputs) + (isWeightDecomposed ? matrix.outputs : 0)
    }
}

extension ModelOutline {
    /// A matrix of a layer, under the last part of its name.
    public struct Matrix: Sendable, Hashable {
        public let name: String
        public let inputs, outputs: Int
        var kind = Kind.layer

        enum Kind {
            case layer
            /// An embedding, or the head.
            case table
            /// All experts of a block together: none is a layer that gets an adapter.
            case experts
        }

        var count: Int { inputs * outputs }

        /// Whether a name of a configuration means it: `q_proj`, `self_attn.q_proj`.
        func isNamed(_ name: String) -> Bool {
            name == self.name || name.hasSuffix(".\(self.name)")
        }
    }

    /// Elements of the squares of all inputs of adapted layers; those that share one, once.
    func inputSquares(_ adapter: AdapterOutline?) -> Int {
        guard let adapter else { return 0 }
        return matrices.enumerated().reduce(0) { sum, unit in
            let targets = unit.element.filter { isTarget($0, ofUnit: unit.offset, adapter) }
            let inputs = Dictionary(grouping: targets) { Self.sharedInputs[$0.name] ?? $0.name }
            return sum + inputs.values.reduce(0) { $0 + $1[0].inputs * $1[0].inputs }
        }
    }

    private static let sharedInputs = [
        "q_proj": "attention", "k_proj": "attention", "v_proj": "attention",
        "gate_proj": "feed-forward", "up_proj": "feed-forward",
    ]

    /// Numbers of a unit, by how they are held.
    public struct Holding: Sendable, Hashable {
        public var trained = 0
        public var frozen = 0
        /// In few bits.
        public var quantized = 0

        public init(trained: Int = 0, frozen: Int = 0, quantized: Int = 0) {
            self.trained = trained
            self.frozen = frozen
            self.quantized = quantized
        }
    }

    /// In the order of ``units``; without an adapter everything is trained.
    public func holdings(_ adapter: AdapterOutline?) -> [Holding] {
        guard let adapter else { return units.map { Holding(trained: $0) } }
        return zip(units, matrices).enumerated().map { unit, parts in
            let (count, matrices) = parts
            var holding = Holding(frozen: count)
            for matrix in matrices {
                let isTarget = isTarget(matrix, ofUnit: unit, adapter)
                if adapter.isSaved(matrix) || (isTarget && adapter.trainsTargets) {
                    holding.frozen -= matrix.count
                    holding.trained += matrix.count
                    continue
                }
                if isTarget { holding.trained += adapter.count(matrix) }
                if adapter.quantizedBits != nil, matrix.kind != .table {
                    holding.frozen -= matrix.count
                    holding.quantized += matrix.count
                }
            }
            return holding
        }
    }

    /// - unit: 0 is the embedding, the last one the head
    func isTarget(_ matrix: Matrix, ofUnit unit: Int, _ adapter: AdapterOutline) -> Bool {
        if let layers = adapter.layers, !layers.contains(unit - 1) { return false }
        return adapter.isTarget(matrix, usual: usualTargets)
    }
}
