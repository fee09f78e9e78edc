internal import ApusBase
public import ApusTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension AdamW {
    /// The same update in tensor operations, for memory that host kernels do not reach: all flat,
    /// fp32 but for the gradient. Equal to the kernel but for the last places.
    public func updateTensors(
        weights: Tensor, gradient: Tensor, first: Tensor, second: Tensor, _ hyper: HyperParameters
    ) {
        let gradient = gradient.to(.float32) * Double(hyper.gradientScale)
        weights.multiplyInPlace(1 - hyper.learningRate * hyper.weightDecay)
        first.copyInPlace(from: first.interpolated(to: gradient, weight: 1 - beta1))
        second.multiplyInPlace(beta2)
        second.addInPlace(gradient.square(), alpha: 1 - beta2)
        let correction = (1 - pow(beta2, Double(hyper.step))).squareRoot()
        let size = second.sqrt() / correction + epsilon
        let rate = hyper.learningRate / (1 - pow(beta1, Double(hyper.step)))
        weights.addInPlace(first / size, alpha: -rate)
    }
}
