public import ApusBase
public import ApusTensor
internal import CApusHost

/// How a frozen weight is held in few bits.
public enum WeightQuantization: Sendable, Hashable {
    /// 4 bits a number and a scale for each 64 (Dettmers et al.: "QLoRA", 2023); with double
    /// quantisation the scales are 8 bits each: 4.13 instead of 4.5 bits a number in all.
    case nf4(doubleQuantized: Bool)
    /// 8 bits a number and a scale for each row (Dettmers et al.: "LLM.int8()", 2022), computed in
    /// the model's own precision: no outliers are set apart.
    case int8
}

/// A frozen matrix in few bits, decoded whenever it is used.
///
/// Formats are those of bitsandbytes, number for number.
public final class QuantizedWeight {
    public let format: WeightQuantization
    public let shape: [Int]
    /// What decoded weights are given as.
    public var computeType = DType.float32
    /// uint8 `[elements / 2]` for NF4, int8 `[elements]` otherwise.
    public private(set) var codes: Tensor
    /// fp32, one for each block or row; with double quantisation, one for each 256 blocks.
    public private(set) var scales: Tensor
    /// uint8, one for each block: with double quantisation.
    public private(set) var scaleCodes: Tensor?
    /// The mean of the scales, which is taken from them before they are quantised.
    public private(set) var scaleOffset: Float = 0

    private static let block = 64
    private static let scaleBlock = 256

    init(_ format: WeightQuantization, shape: [Int]) {
        precondition(shape.count == 2, "quantised weights are matrices, not \(shape)")
        self.format = format
        self.shape = shape
        codes = .empty([0], dtype: .uint8)
        scales = .empty([0])
    }

    public var elementCount: Int { shape.reduce(1, *) }

    /// Bytes of codes and scales.
    public var byteCount: Int {
        codes.byteCount + scales.byteCount + (scaleCodes?.byteCount ?? 0)
    }

    // MARK: Encoding

    /// Encodes all values, row-major.
    public func encode(_ values: UnsafeBufferPointer<Float>) {
        precondition(values.count == elementCount, "encode: \(values.count) values for \(shape)")
        guard let source = values.baseAddress else { return }
        switch format {
        case .int8:
            codes = .empty([elementCount], dtype: .int8)
            scales = .empty([shape[0]])
            let target = pointer(codes, Int8.self)
            apus_int8_encode(source, shape[0], shape[1], target, pointer(scales, Float.self))
        case .nf4(let isDouble):
            codes = .empty([(elementCount + 1) / 2], dtype: .uint8)
            scales = .empty([blockCount])
            apus_nf4_encode(
                source, elementCount, Self.block, pointer(codes, UInt8.self),
                pointer(scales, Float.self))
            if isDouble { encodeScales() }
        }
    }

    private var blockCount: Int { (elementCount + Self.block - 1) / Self.block }

    /// QLoRA, section 3: the scales, less their mean, in blocks of 256 numbers of 8 bits.
    private func encodeScales() {
        scaleOffset = Float(scales.mean().item())
        let centred = scales - Double(scaleOffset)
        let codes = Tensor.empty([blockCount], dtype: .uint8)
        let outer = Tensor.empty([(blockCount + Self.scaleBlock - 1) / Self.scaleBlock])
        // The C layer keeps no tensor alive.
        withExtendedLifetime(centred) {
            Self.dynamicTable.withUnsafeBufferPointer { table in
                apus_table_encode(
                    pointer(centred, Float.self), blockCount, Self.scaleBlock, table.baseAddress!,
                    pointer(codes, UInt8.self), pointer(outer, Float.self))
            }
        }
        scaleCodes = codes
        scales = outer
    }

    /// 127 numbers of each sign, one more decade with twice as many numbers each time, zero and
    /// one: "8-bit Approximations for Parallelism in Deep Learning" (Dettmers, 2016), 2.2.
    static let dynamicTable: [Float] = {
        var table: [Float] = [0, 1]
        for (power, decade) in [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1].enumerated() {
            let count = 1 << power
            // By the operations that bitsandbytes uses, so that no last digit differs.
            let bounds = Tensor.linspace(0.1, 1, count: count + 1)
            let middles = (bounds.slice(0, 0..<count) + bounds.slice(0, 1..<count + 1)) / 2
            for value in (middles * decade).floats() { table += [value, -value] }
        }
        return table.sorted()
    }()

    // MARK: Decoding

    /// `shape` in ``computeType``; memory of its own.
    public func decoded() -> Tensor {
        precondition(codes.elementCount > 0, "a quantised weight is read before it has values")
        let out = Tensor.empty(shape)
        let target = pointer(out, Float.self)
        switch format {
        case .int8:
            apus_int8_decode(
                pointer(codes, Int8.self), pointer(scales, Float.self), shape[0], shape[1], target)
        case .nf4:
            let scales = decodedScales()
            withExtendedLifetime(scales) {
                apus_nf4_decode(
                    pointer(codes, UInt8.self), pointer(scales, Float.self), elementCount,
                    Self.block, target)
            }
        }
        return computeType == .float32 ? out : out.to(computeType)
    }

    private func decodedScales() -> Tensor {
        guard let scaleCodes else { return scales }
        let out = Tensor.empty([blockCount])
        Self.dynamicTable.withUnsafeBufferPointer { table in
            apus_table_decode(
                pointer(scaleCodes, UInt8.self), pointer(scales, Float.self), blockCount,
                Self.scaleBlock, table.baseAddress!, pointer(out, Float.self))
        }
        out.addInPlace(Tensor.scalar(Double(scaleOffset)))
        return out
    }

    private func pointer<Element>(
        _ tensor: Tensor, _ type: Element.Type
    ) -> UnsafeMutablePointer<Element> {
        guard let start = tensor.hostMemory?.baseAddress else {
            preconditionFailure("quantised weights are in host memory")
        }
        return start.assumingMemoryBound(to: type)
    }
}

extension WeightQuantization {
    /// What is left of fp32 values after encoding and decoding.
    public func rounded(_ values: Tensor) -> Tensor {
        let weight = QuantizedWeight(self, shape: values.shape)
        weight.encode(values)
        return weight.decoded()
    }
}

extension QuantizedWeight {
    /// Encodes a whole fp32 tensor.
    public func encode(_ values: Tensor) {
        let host = values.to(.float32).contiguous()
        withExtendedLifetime(host) {
            guard let memory = host.hostMemory else { preconditionFailure("encode: no memory") }
            encode(UnsafeBufferPointer(memory.assumingMemoryBound(to: Float.self)))
        }
    }
}

extension Tensor {
    /// `x W^T + b` over a weight that is decoded for each use, in forward and again in backward,
    /// instead of being kept between them.
    func linear(frozen weight: Parameter, bias: Tensor?, isTransposed: Bool) -> Tensor {
        func decoded() -> Tensor {
            isTransposed ? weight.value.transposed : weight.value
        }
        guard isGradientEnabled, requiresGradient else {
            return linear(weight: decoded(), bias: bias)
        }
        let product = customGradient("quantised linear", inputs: [self]) {
            [detached().linear(weight: decoded())]
        } backward: { gradients in
            [gradients[0].map { $0.matmul(decoded()) }]
        }[0]
        return bias.map { product + $0 } ?? product
    }
}
