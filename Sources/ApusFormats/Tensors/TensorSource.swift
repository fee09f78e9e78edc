public import ApusBase
internal import CApusHost

/// What a file says about one tensor.
public struct TensorEntry: Sendable, Hashable {
    public let name: String
    /// Outermost dimension first (row-major), whatever order the file uses.
    public let shape: [Int]
    /// The file's own name of the element format: `BF16`, `Q4_0`.
    public let format: String
    /// The format as a type to compute with; nil for formats that must be decoded (blocks, 8-bit
    /// floats).
    public let dtype: DType?
    /// Where the data stands, from the beginning of the file.
    public let byteRange: Range<Int>
    public let path: String

    public var elementCount: Int { shape.reduce(1, *) }

    public init(
        name: String, shape: [Int], format: String, dtype: DType?, byteRange: Range<Int>,
        path: String
    ) {
        self.name = name
        self.shape = shape
        self.format = format
        self.dtype = dtype
        self.byteRange = byteRange
        self.path = path
    }
}

/// Tensors by name, read from one file or many. Every container format of this module is one.
public protocol TensorSource: Sendable {
    /// In the order of the file.
    var names: [String] { get }

    func entry(_ name: String) -> TensorEntry?

    /// Reads elements (row-major, so that whole rows are a range) as `dtype` into `destination`,
    /// whose size is exactly theirs and which is aligned for them. They are there when the pipeline
    /// has finished, at the latest.
    ///
    /// Floating-point formats convert into each other, rounding to nearest even; integers and
    /// booleans are read only as what they are. Throws for a name that is not there, a conversion
    /// that is not defined, and failures of the disk. Several threads may read at the same time,
    /// each through a pipeline of its own.
    func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError)
}

extension TensorSource {
    /// Reads elements that are there when this returns.
    public func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        try ReadPipeline.run { pipeline throws(FileError) in
            try read(name, elements: elements, as: dtype, into: destination, through: pipeline)
        }
    }
}

extension TensorSource {
    /// Reads a whole tensor into memory. For small ones and tests: large ones go straight to their
    /// final place by `read`.
    public func floats(_ name: String) throws(FileError) -> [Float] {
        let count = entry(name)?.elementCount ?? 0
        var failure: FileError?
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(FileError) {
                let raw = UnsafeMutableRawBufferPointer(
                    UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
                try read(name, elements: 0..<count, as: .float32, into: raw)
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return values
    }
}

extension TensorSource {
    /// Reads elements of a matrix's transpose (row-major) as ``read(_:elements:as:into:)`` does.
    /// Holds the whole matrix meanwhile.
    public func readTransposed(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let shape = entry(name)?.shape ?? []
        precondition(shape.count == 2, "readTransposed: \(name) is no matrix")
        let count = shape[0] * shape[1]
        precondition(
            elements.lowerBound >= 0 && elements.upperBound <= count
                && destination.count == elements.count * dtype.byteCount,
            "readTransposed \(name): \(elements) of \(count) into \(destination.count) bytes")
        let matrix = UnsafeMutableRawBufferPointer.allocate(
            byteCount: count * dtype.byteCount, alignment: 64)
        defer { matrix.deallocate() }
        try read(name, elements: 0..<count, as: dtype, into: matrix)
        if elements.isEmpty { return }
        apus_gather_strided(
            matrix.baseAddress, dtype.byteCount, 2, [Int64(shape[1]), Int64(shape[0])],
            [1, Int64(shape[1])], Int64(elements.lowerBound), Int64(elements.count),
            destination.baseAddress)
    }
}

/// Checks that the arguments of a read agree with each other: they are the caller's, not the
/// file's.
func checkRead(
    _ entry: TensorEntry, _ elements: Range<Int>, _ dtype: DType,
    _ destination: UnsafeMutableRawBufferPointer
) {
    precondition(
        elements.lowerBound >= 0 && elements.upperBound <= entry.elementCount,
        "read \(entry.name): elements \(elements) of a tensor with \(entry.elementCount)")
    precondition(
        destination.count == elements.count * dtype.byteCount,
        "read \(entry.name): \(destination.count) bytes for \(elements.count) elements of \(dtype)")
}

func noSuchTensor(_ name: String, in path: String, names: [String]) -> FileError {
    let near = nearestName(to: name, among: names)
    return FileError(
        path, "has no tensor \"\(name)\"", likelyCause: "the file belongs to another kind of model",
        remedy: near.map { "did you mean \"\($0)\"?" })
}
