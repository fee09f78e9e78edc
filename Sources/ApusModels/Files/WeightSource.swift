public import ApusBase

/// Where a model's initial values come from, parameter by parameter.
public protocol WeightSource {
    /// Checks that all of these are there in their shapes; returns what else there is.
    func check(_ specs: [ParameterSpec]) throws(FileError) -> [String]

    /// Reads elements (row-major) of a parameter as `dtype`; they are exactly the destination's
    /// size.
    func read(
        _ spec: ParameterSpec, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError)
}
