internal import ApusNN
internal import ApusTensor

/// Wang et al.: "LoRA-GA" (2024), 3, with the scales of PEFT 0.21.2.
extension LayerBeginning {
    /// - gradient, weight: `[outputs, inputs]` in fp32, on one device
    /// - scale: of the update
    /// - path: of the layer: for messages, and for what is drawn
    init(
        _ settings: LoRAConfiguration.LoRAGA, gradient: Tensor, weight: Tensor, rank: Int,
        scale: Double, path: String, seed: UInt64
    ) throws(AdapterError) {
        let most = min(gradient.size(0), gradient.size(1))
        guard 2 * rank <= most else {
            throw AdapterError(
                summary: "lora_ga takes \(2 * rank) singular vectors of the gradient of \(path), "
                    + "which has \(most)",
                remedy: "lower lora_r, or leave the layer out")
        }
        guard gradient.isFinite().all().item() != 0 else {
            throw AdapterError(
                summary: "the gradient of \(path) is not finite",
                likelyCause: "fp16, or a learning problem that is none")
        }
        let device = gradient.device
        let (u, s, vt) = gradient.leadingSVD(count: min(4 * rank, most), iterations: 4) {
            normal($0, "\(path).directions", seed: seed).to(device: device)
        }
        let places = Self.places(settings.direction, rank: rank, path, seed: seed)
        let forUp = Tensor(places.up).to(device: device)
        var down = vt.indexSelect(0, Tensor(places.down).to(device: device))
        let sizes = s.indexSelect(0, forUp)
        var up = u.indexSelect(1, forUp) * sizes
        switch settings.scale {
        case .stable:
            let outputs = Double(weight.size(0)).squareRoot().squareRoot()
            up = up * (outputs / settings.stableGamma.squareRoot())
        case .weight:
            let largest = weight.leadingSVD(count: min(rank, most), iterations: 4) {
                normal($0, "\(path).weight", seed: seed).to(device: device)
            }.s
            let own = sizes.slice(0, 0..<1).item()
            if own > 0 { up = up * (largest.slice(0, 0..<1).item() / own) }
        case .descent: (down, up) = (down / scale, up / scale)
        case .unit: break
        }
        self.init(down: down, up: up)
    }

    /// Which singular vectors the first and the second factor get.
    private static func places(
        _ direction: LoRAConfiguration.LoRAGA.Direction, rank: Int, _ path: String, seed: UInt64
    ) -> (down: [Int], up: [Int]) {
        let all = 0..<2 * rank
        switch direction {
        case .alternating: return (all.filter { $0 % 2 == 1 }, all.filter { $0 % 2 == 0 })
        case .largestUp: return (Array(rank..<2 * rank), Array(0..<rank))
        case .largestDown: return (Array(0..<rank), Array(rank..<2 * rank))
        case .random:
            let drawn = normal([2 * rank], "\(path).places", seed: seed).floats()
            let some = Array(all.sorted { drawn[$0] < drawn[$1] }.prefix(rank))
            return (some, some)
        }
    }
}
