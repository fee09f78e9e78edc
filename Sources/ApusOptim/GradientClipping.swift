/// The factor that brings gradients of global norm `norm` down to `maximumNorm`: the formula of
/// `torch.nn.utils.clip_grad_norm_`, at most 1.
///
/// The norm is rounded to fp32 first: shardings that add the same squares in another order differ
/// only in the last bits of a double, and so get the same factor.
public func clipFactor(norm: Double, maximumNorm: Double) -> Float {
    precondition(
        maximumNorm > 0, "clipFactor: the maximum norm must be positive, not \(maximumNorm)")
    let rounded = Float(norm)
    return min(1, Float(maximumNorm) / (rounded + 1e-6))
}
