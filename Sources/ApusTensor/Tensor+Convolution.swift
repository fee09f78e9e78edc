internal import CApusTorch

/// Convolution, pooling and resampling of `[batch, channels, spatial...]`, with one to three
/// spatial dimensions; lists have one number for each of them.
extension Tensor {
    /// How a kernel moves. An empty list means the usual: stride and dilation 1, no padding.
    public struct ConvolutionOptions: Sendable {
        public var stride: [Int] = []
        public var padding: [Int] = []
        public var dilation: [Int] = []
        /// Channels are convolved in that many separate groups.
        public var groups = 1
        /// Of a transposed convolution: makes the output larger at one end.
        public var outputPadding: [Int] = []

        public init() {}
    }

    /// This `[batch, in, ...]` with `weight` `[out, in / groups, kernel...]`, plus `bias` `[out]`.
    public func convolution(
        weight: Tensor, bias: Tensor? = nil, options: ConvolutionOptions = ConvolutionOptions()
    ) -> Tensor {
        convolve(weight, bias, options, isTransposed: false, "convolution")
    }

    /// The gradient of a convolution as a layer: `weight` is `[in, out / groups, kernel...]`.
    public func transposedConvolution(
        weight: Tensor, bias: Tensor? = nil, options: ConvolutionOptions = ConvolutionOptions()
    ) -> Tensor {
        convolve(weight, bias, options, isTransposed: true, "transposed convolution")
    }

    private func convolve(
        _ weight: Tensor, _ bias: Tensor?, _ options: ConvolutionOptions, isTransposed: Bool,
        _ name: StaticString
    ) -> Tensor {
        let count = Swift.max(weight.rank - 2, 0)
        let stride = spatial(options.stride, 1, count)
        let padding = spatial(options.padding, 0, count)
        let dilation = spatial(options.dilation, 1, count)
        let outputPadding = spatial(options.outputPadding, 0, count)
        return made(name, [self, weight]) { out in
            stride.withSizes { stride, rank in
                padding.withSizes { padding, _ in
                    dilation.withSizes { dilation, _ in
                        outputPadding.withSizes { outputPadding, _ in
                            let given = apus_convolution_options(
                                stride: stride, padding: padding, dilation: dilation,
                                output_padding: outputPadding, rank: rank,
                                groups: Int64(options.groups), transposed: isTransposed)
                            return apus_convolution(
                                pointer, weight.pointer, bias?.pointer, given, out)
                        }
                    }
                }
            }
        }
    }

    private func spatial(_ numbers: [Int], _ usual: Int, _ count: Int) -> [Int] {
        precondition(
            numbers.isEmpty || numbers.count == count,
            "convolution: \(numbers.count) numbers for \(count) spatial dimensions")
        return numbers.isEmpty ? Array(repeating: usual, count: count) : numbers
    }

    // MARK: Pooling

    /// The largest element of each window; the stride is the window unless given.
    public func maxPool(_ window: [Int], stride: [Int]? = nil, padding: [Int]? = nil) -> Tensor {
        pool(APUS_POOL_MAX, window, stride ?? window, padding, "max_pool")
    }

    /// The mean of each window (padding counts as zeros); the stride is the window unless given.
    public func averagePool(
        _ window: [Int], stride: [Int]? = nil, padding: [Int]? = nil
    ) -> Tensor {
        pool(APUS_POOL_AVERAGE, window, stride ?? window, padding, "avg_pool")
    }

    private func pool(
        _ kind: apus_pool_kind, _ window: [Int], _ stride: [Int], _ padding: [Int]?,
        _ name: StaticString
    ) -> Tensor {
        let padding = padding ?? Array(repeating: 0, count: window.count)
        precondition(
            stride.count == window.count && padding.count == window.count,
            "\(name): window \(window), stride \(stride), padding \(padding)")
        return made(name, [self]) { out in
            window.withSizes { window, rank in
                stride.withSizes { stride, _ in
                    padding.withSizes { padding, _ in
                        apus_pool(kind, pointer, window, stride, padding, rank, out)
                    }
                }
            }
        }
    }

    /// The largest element of each of `sizes` windows that cover the spatial dimensions evenly.
    public func adaptiveMaxPool(to sizes: [Int]) -> Tensor {
        made("adaptive_max_pool", [self]) { out in
            sizes.withSizes { apus_adaptive_pool(APUS_POOL_MAX, pointer, $0, $1, out) }
        }
    }

    /// The mean of each of `sizes` windows that cover the spatial dimensions evenly.
    public func adaptiveAveragePool(to sizes: [Int]) -> Tensor {
        made("adaptive_avg_pool", [self]) { out in
            sizes.withSizes { apus_adaptive_pool(APUS_POOL_AVERAGE, pointer, $0, $1, out) }
        }
    }

    // MARK: Resampling

    /// How values between the given ones are found.
    public enum Resampling: Sendable, Hashable {
        case nearest
        /// Linear in each spatial dimension.
        case linear
        /// Cubic; two spatial dimensions only.
        case cubic
    }

    /// The spatial dimensions at other sizes. `alignsCorners`: the outermost points stay where they
    /// are; otherwise points are the centres of equal cells.
    public func resample(
        to sizes: [Int], _ resampling: Resampling, alignsCorners: Bool = false
    ) -> Tensor {
        let kind: apus_resample_kind
        switch resampling {
        case .nearest: kind = APUS_RESAMPLE_NEAREST
        case .linear: kind = APUS_RESAMPLE_LINEAR
        case .cubic: kind = APUS_RESAMPLE_CUBIC
        }
        return made("resample", [self]) { out in
            sizes.withSizes { apus_resample(kind, pointer, $0, $1, alignsCorners, out) }
        }
    }
}
