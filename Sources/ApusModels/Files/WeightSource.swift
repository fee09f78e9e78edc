public import ApusBase
public import ApusFormats
public import ApusNN
internal import ApusTensor

/// Where a model's initial values come from, parameter by parameter.
public protocol WeightSource {
    /// Checks that all of these are there in their shapes; returns what else there is.
    func check(_ specs: [ParameterSpec]) throws(FileError) -> [String]

    /// Reads elements (row-major) of a parameter as `dtype`; they are exactly the destination's
    /// size, and there when the pipeline has finished, at the latest.
    func read(
        _ spec: ParameterSpec, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError)
}

extension WeightSource {
    /// Reads elements that are there when this returns.
    public func read(
        _ spec: ParameterSpec, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        try ReadPipeline.run { pipeline throws(FileError) in
            try read(spec, elements: elements, as: dtype, into: destination, through: pipeline)
        }
    }

    /// A whole parameter in fp32.
    func tensor(_ spec: ParameterSpec) throws(FileError) -> Tensor {
        let values = Tensor.empty(spec.shape)
        guard let memory = values.hostMemory else { preconditionFailure("an empty parameter") }
        try read(spec, elements: 0..<spec.elementCount, as: .float32, into: memory)
        return values
    }

    /// Encodes the weights that a model holds in few bits, one after another.
    ///
    /// - computeType: what the model computes with
    public func loadQuantized(_ store: ParameterStore, computeType: DType) throws(FileError) {
        for parameter in store.quantized {
            parameter.quantized?.encode(try tensor(parameter.spec))
            parameter.quantized?.computeType = computeType
        }
    }
}
