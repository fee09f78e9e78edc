internal import CApusTorch

/// Operations that models are made of, each in one pass over memory on the host.
extension Tensor {
    /// `silu(self) * up`, the gated activation of the Llama kind.
    ///
    /// Source: Shazeer: "GLU Variants Improve Transformer" (2020), SwiGLU.
    public func swiGLU(_ up: Tensor) -> Tensor {
        made("swiglu", [self, up]) { apus_swiglu(pointer, up.pointer, $0) }
    }

    /// Turns queries or keys `[batch, heads, length, width]` by their positions' angles, component
    /// i together with i + w / 2.
    ///
    /// - cosines, sines: `[batch or 1, 1, length, w]`, the same in both halves of w; w at most the
    ///   width, and what lies beyond stays
    ///
    /// Source: Su et al.: "RoFormer" (2021), in HuggingFace's order of components.
    public func rotated(cosines: Tensor, sines: Tensor) -> Tensor {
        made("rotary", [self, cosines, sines]) {
            apus_rotary(pointer, cosines.pointer, sines.pointer, $0)
        }
    }

    /// The summed cross-entropy of these logits `[rows, classes]`, an fp32 scalar outside of
    /// autograd; the logits are overwritten by its gradient.
    ///
    /// For a loss that is a sum the gradient needs nothing from later, so logits, the largest
    /// activation of a language model, need not be kept nor copied.
    public func crossEntropyConsumingLogits(
        _ targets: Tensor, ignoreIndex: Int = -100, labelSmoothing: Double = 0
    ) -> Tensor {
        made("cross_entropy", [self, targets]) {
            apus_cross_entropy_consuming(
                pointer, targets.pointer, Int64(ignoreIndex), labelSmoothing, $0)
        }
    }
}
