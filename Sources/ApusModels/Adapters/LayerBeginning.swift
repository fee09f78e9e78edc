internal import ApusNN
internal import ApusTensor

/// How one adapted layer begins.
struct LayerBeginning {
    /// `[rank, inputs]` and `[outputs, rank]`.
    var down, up: Tensor
    /// `[outputs, inputs]`; nil: as it is in the base.
    var weight: Tensor?

    init(down: Tensor, up: Tensor, weight: Tensor? = nil) {
        self.down = down
        self.up = up
        self.weight = weight
    }

    /// Factors that are made of the layer's weight.
    ///
    /// - weight: `[outputs, inputs]` in fp32
    init(
        _ configuration: LoRAConfiguration, _ weight: Tensor, _ kind: LayerKind,
        _ options: LowRankOptions, name: String, seed: UInt64
    ) {
        let rank = options.rank
        switch configuration.initialization {
        case .pissa:
            self.init(singular: weight.svd(), options)
            self.weight = weight - delta(options)
        case .fastPissa(let iterations):
            // The same at every reading, so that an adapter finds the weight it was begun with.
            let directions = normal([weight.size(1), rank], "\(name).directions", seed: 0)
            self.init(
                singular: weight.leadingSVD(directions, iterations: iterations), options)
            self.weight = weight - delta(options)
        case .olora:
            let (q, r) = weight.qr()
            self.init(down: r.slice(0, 0..<rank), up: q.slice(1, 0..<rank))
            self.weight = weight - delta(options)
        case .loftQ:
            self.init(
                configuration.loftQ, weight, options, isTransposed: kind == .transposedLinear)
        case .mica:
            let left = weight.svd().u
            self.init(
                down: .zeros([rank, weight.size(1)]),
                up: left.slice(1, left.size(1) - rank..<left.size(1)))
        case .orthogonal:
            self.init(orthogonal: weight.shape, rank: rank, name: name, seed: seed)
        case .standard, .random, .gaussian, .eva, .corda, .loraGA:
            preconditionFailure("\(configuration.initialization) is not made of the weight alone")
        }
    }

    /// What the factors add to the weight.
    func delta(_ options: LowRankOptions) -> Tensor { up.matmul(down) * options.scale }

    /// Meng et al.: "PiSSA" (2024), 3: the singular vectors of the largest values, each side with
    /// the root of them.
    private init(singular: (u: Tensor, s: Tensor, vt: Tensor), _ options: LowRankOptions) {
        let kept = 0..<options.rank
        let roots = (singular.s.slice(0, kept) / options.scale).sqrt()
        down = roots.unsqueeze(-1) * singular.vt.slice(0, kept)
        up = singular.u.slice(1, kept) * roots
    }

    /// Li et al.: "LoftQ" (2023), algorithm 1: by turns the weight without the factors is quantised
    /// and the factors are fitted to what that loses.
    private init(
        _ settings: LoRAConfiguration.LoftQ, _ weight: Tensor, _ options: LowRankOptions,
        isTransposed: Bool
    ) {
        let format: WeightQuantization =
            settings.bits == 8 ? .int8 : .nf4(doubleQuantized: false)
        self.init(down: .zeros([1, weight.size(1)]), up: .zeros([weight.size(0), 1]))
        for _ in 0..<settings.iterations {
            let held = (weight - delta(options)).held(in: format, isTransposed: isTransposed)
            self.init(singular: (weight - held).svd(), options)
            self.weight = held
        }
    }

    /// Both factors in complementary halves of a random orthogonal basis: their product is zero and
    /// neither of them is.
    private init(orthogonal shape: [Int], rank: Int, name: String, seed: UInt64) {
        let half = rank / 2
        let basis = normal([rank, rank], "\(name).basis", seed: seed).qr().q
            .reshape(half, 2, rank)
        let (odd, even) = (basis.select(1, 0), basis.select(1, 1))
        let first = normal([shape[1], half], "\(name).down", seed: seed)
        let second = normal([half, shape[0]], "\(name).up", seed: seed)
        down = first.matmul(odd).transposed / 10
        up = second.transposed.matmul(even) / 10
    }
}

/// Drawn by a name and a seed: the same on every rank.
func normal(_ shape: [Int], _ name: String, seed: UInt64) -> Tensor {
    let values = Tensor.empty(shape)
    Initializer.normal(standardDeviation: 1).fill(values, name: name, seed: seed)
    return values
}

extension Tensor {
    /// What is left of a weight `[outputs, inputs]` in few bits.
    ///
    /// - isTransposed: files, and blocks, go along the outputs
    func held(in format: WeightQuantization, isTransposed: Bool) -> Tensor {
        isTransposed
            ? format.rounded(transposed.contiguous()).transposed : format.rounded(contiguous())
    }
}
