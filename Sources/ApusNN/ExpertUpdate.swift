public import ApusTensor

/// The low-rank update of a parameter that holds the matrices of several experts, `[experts,
/// outputs, inputs]`: what PEFT's `target_parameters` names.
///
/// As there, `lora_A.weight` `[experts * rank, inputs]` holds one expert after the other, and in
/// `lora_B.weight` `[outputs, rank * experts]` the experts stand side by side for each rank.
public struct ExpertUpdate {
    private let options: LowRankOptions
    private let down, up: Parameter

    /// nil where the store's adaptation has no update for the parameter.
    ///
    /// - parameter: its path
    /// - scope: where the factors are declared
    public init?(
        _ inputs: Int, _ outputs: Int, experts: Int, of parameter: String, in scope: Scope
    ) {
        guard let options = scope.store.adaptation?.update(ofExperts: parameter) else {
            return nil
        }
        self.options = options
        let (first, second) = options.initializers(inputs: inputs)
        down = scope["lora_A"].adapterParameter("weight", [experts * options.rank, inputs], first)
        up = scope["lora_B"].adapterParameter("weight", [outputs, options.rank * experts], second)
    }

    /// What is added to an expert's output, `[..., inputs]` -> `[..., outputs]`.
    public func callAsFunction(_ x: Tensor, expert: Int) -> Tensor {
        let factors = Self.factors(down.value, up.value, rank: options.rank, expert: expert)
        return (x.linear(weight: factors.down) * options.scale).linear(weight: factors.up)
    }

    /// An expert's factors `[rank, inputs]` and `[outputs, rank]`.
    public static func factors(
        _ down: Tensor, _ up: Tensor, rank: Int, expert: Int
    ) -> (down: Tensor, up: Tensor) {
        let outputs = up.size(0)
        return (
            down.slice(0, expert * rank..<(expert + 1) * rank),
            up.reshape(outputs, rank, up.size(1) / rank).select(2, expert)
        )
    }
}
