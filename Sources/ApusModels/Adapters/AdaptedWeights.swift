public import ApusBase
public import ApusNN
internal import ApusTensor

/// The initial values of an adapted model: the frozen weights of a model folder, and factors from
/// an adapter folder or as a configuration begins them.
public final class AdaptedWeights: WeightSource {
    public let base: PretrainedModel
    public let plan: LoRAPlan
    private let adapter: AdapterFolder?
    private let store: ParameterStore
    private let seed: UInt64
    private let layers: [String: (kind: LayerKind, options: LowRankOptions)]
    /// The factors of the layer that was asked for last: its parameters are read one after another.
    private var recent: (path: String, factors: Factors)?

    private struct Factors {
        var down, up: Tensor
    }

    /// - store: the parameters, declared with the plan as their adaptation
    /// - adapter: where training goes on from, or what is applied; nil: new factors by `seed`
    public init(
        _ base: PretrainedModel, _ plan: LoRAPlan, adapter: AdapterFolder? = nil,
        store: ParameterStore, seed: UInt64 = 0
    ) {
        self.base = base
        self.plan = plan
        self.adapter = adapter
        self.store = store
        self.seed = seed
        layers = Dictionary(
            uniqueKeysWithValues: plan.adapted.map { ($0.path, ($0.kind, $0.options)) })
    }

    public func check(_ specs: [ParameterSpec]) throws(FileError) -> [String] {
        try adapter?.check(specs.filter(\.isTrainable))
        return try base.check(specs.filter { !Self.isFactor($0.name) })
    }

    public func read(
        _ spec: ParameterSpec, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        if let adapter, spec.isTrainable {
            return try adapter.read(spec.name, elements: elements, as: dtype, into: destination)
        }
        let values: Tensor
        if Self.isFactor(spec.name) {
            values = try beginning(of: spec)
        } else if let path = changedLayer(spec.name) {
            values = try residual(path)
        } else {
            return try base.read(spec, elements: elements, as: dtype, into: destination)
        }
        let part = values.contiguous().reshape(-1).slice(0, elements).to(dtype).contiguous()
        part.copyBytes(to: destination)
    }

    static func isFactor(_ parameter: String) -> Bool { parameter.contains(".lora_") }

    // MARK: New factors

    private func layer(of factor: String) -> String {
        guard let place = factor.firstRange(of: ".lora_") else {
            preconditionFailure("\(factor) is no factor")
        }
        return String(factor[..<place.lowerBound])
    }

    private func beginning(of spec: ParameterSpec) throws(FileError) -> Tensor {
        let path = layer(of: spec.name)
        if spec.name.hasSuffix("lora_magnitude_vector") { return try magnitude(path) }
        guard isFromWeight(path) else { return random(spec.name) }
        let factors = try factors(path)
        if spec.name.hasSuffix("lora_A.weight") { return factors.down }
        return spec.name.hasSuffix("lora_B.weight") ? factors.up : random(spec.name)
    }

    private func random(_ name: String) -> Tensor {
        guard let parameter = store[name] else { preconditionFailure("no parameter \(name)") }
        let values = Tensor.empty(parameter.shape)
        withoutGradient { parameter.initializer.fill(values, name: name, seed: seed) }
        return values
    }

    private func isFromWeight(_ path: String) -> Bool {
        layers[path]?.options.initialization == .fromWeight
    }

    /// `|W + scale B A|`, the rows' lengths in the model as it begins.
    private func magnitude(_ path: String) throws(FileError) -> Tensor {
        let factors = try factors(path)
        guard let layer = layers[path] else { preconditionFailure("no layer \(path)") }
        var weight = try changes(path) ? residual(path) : frozen(path)
        if layer.kind == .transposedLinear, changes(path) { weight = weight.transposed }
        if let format = store["\(path).weight"]?.quantized?.format {
            let isTransposed = layer.kind == .transposedLinear
            let held = format.rounded(isTransposed ? weight.transposed : weight)
            weight = isTransposed ? held.transposed : held
        }
        let delta = factors.up.matmul(factors.down) * layer.options.scale
        return (weight + delta).norm(-1)
    }

    private func factors(_ path: String) throws(FileError) -> Factors {
        if let recent, recent.path == path { return recent.factors }
        guard let layer = layers[path] else { preconditionFailure("no layer \(path)") }
        let options = layer.options
        let factors: Factors
        if layer.kind == .embedding {
            factors = Factors(
                down: random("\(path).lora_embedding_A"), up: random("\(path).lora_embedding_B"))
        } else if !isFromWeight(path) {
            factors = Factors(
                down: random("\(path).lora_A.weight"), up: random("\(path).lora_B.weight"))
        } else {
            factors =
                switch plan.configuration.initialization {
                case .pissa: principal(try frozen(path), options)
                case .olora: orthonormal(try frozen(path), options)
                default: orthogonal(path, options)
                }
        }
        recent = (path, factors)
        return factors
    }

    /// Meng et al.: "PiSSA" (2024), 3: the singular vectors of the largest values, each side with
    /// the root of them.
    private func principal(_ weight: Tensor, _ options: LowRankOptions) -> Factors {
        let (u, s, vt) = weight.svd()
        let roots = (s.slice(0, 0..<options.rank) / options.scale).sqrt()
        return Factors(
            down: roots.unsqueeze(-1) * vt.slice(0, 0..<options.rank),
            up: u.slice(1, 0..<options.rank) * roots)
    }

    /// Büyükakyüz: "OLoRA" (2024): the first columns of Q and rows of R.
    private func orthonormal(_ weight: Tensor, _ options: LowRankOptions) -> Factors {
        let (q, r) = weight.qr()
        return Factors(down: r.slice(0, 0..<options.rank), up: q.slice(1, 0..<options.rank))
    }

    /// Both factors in complementary halves of a random orthogonal basis: their product is zero and
    /// neither of them is.
    private func orthogonal(_ path: String, _ options: LowRankOptions) -> Factors {
        guard let inputs = store["\(path).lora_A.weight"]?.shape[1],
            let outputs = store["\(path).lora_B.weight"]?.shape[0]
        else { preconditionFailure("no factors at \(path)") }
        let (rank, half) = (options.rank, options.rank / 2)
        func normal(_ shape: [Int], _ name: String) -> Tensor {
            let values = Tensor.empty(shape)
            Initializer.normal(standardDeviation: 1).fill(
                values, name: "\(path).\(name)", seed: seed)
            return values
        }
        let basis = normal([rank, rank], "basis").qr().q.reshape(half, 2, rank)
        let (odd, even) = (basis.select(1, 0), basis.select(1, 1))
        return Factors(
            down: normal([inputs, half], "down").matmul(odd).transposed / 10,
            up: normal([half, outputs], "up").transposed.matmul(even) / 10)
    }

    // MARK: Base weights

    /// The layer whose weight this is, where the beginning takes the factors out of the weight.
    private func changedLayer(_ parameter: String) -> String? {
        guard parameter.hasSuffix(".weight") else { return nil }
        let path = String(parameter.dropLast(".weight".count))
        return changes(path) ? path : nil
    }

    private func changes(_ path: String) -> Bool {
        isFromWeight(path) && plan.configuration.initialization != .orthogonal
    }

    /// The weight without what its factors hold, as the model stores it.
    private func residual(_ path: String) throws(FileError) -> Tensor {
        guard let layer = layers[path] else { preconditionFailure("no layer \(path)") }
        // An adapter that was begun so was trained beside the residual of the first factors.
        let factors = try factors(path)
        let delta = factors.up.matmul(factors.down) * layer.options.scale
        let rest = try frozen(path) - delta
        return layer.kind == .transposedLinear ? rest.transposed : rest
    }

    /// The weight of the file, `[outputs, inputs]` in fp32.
    private func frozen(_ path: String) throws(FileError) -> Tensor {
        guard let layer = layers[path], let parameter = store["\(path).weight"] else {
            preconditionFailure("no weight at \(path)")
        }
        let weight = try base.tensor(parameter.spec)
        let isTransposed = layer.kind == .transposedLinear || layer.kind == .embedding
        return isTransposed ? weight.transposed.contiguous() : weight
    }
}
