internal import ApusBase
internal import ApusFormats

/// Elements of one tensor on their way into a part's file.
struct PartSlice {
    let key: StateKey
    /// Of the whole tensor.
    let shape: [Int]
    let dtype: DType
    /// Row-major positions in the whole tensor.
    let elements: Range<Int>
    /// Hands out the elements' bytes in order, in as many pieces as it likes.
    let content: (_ write: (UnsafeRawBufferPointer) throws(FileError) -> Void) throws(FileError)
        -> Void

    /// What lies in memory.
    init(_ slice: StateSlice) {
        key = slice.key
        shape = slice.shape
        dtype = slice.dtype
        elements = slice.elements
        content = { write throws(FileError) in try write(UnsafeRawBufferPointer(slice.memory)) }
    }

    /// What is read from a source, `buffer` after `buffer`.
    init(
        _ tensor: StateTensor, _ elements: Range<Int>, of source: any StateSource,
        through buffer: UnsafeMutableRawBufferPointer
    ) {
        key = tensor.key
        shape = tensor.shape
        dtype = tensor.dtype
        self.elements = elements
        content = { write throws(FileError) in
            let size = tensor.dtype.byteCount
            let tile = buffer.count / size
            for start in stride(from: elements.lowerBound, to: elements.upperBound, by: tile) {
                let part = start..<min(start + tile, elements.upperBound)
                let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(part.count * size)])
                try source.read(tensor, part, into: bytes)
                try write(UnsafeRawBufferPointer(bytes))
            }
        }
    }

    var isWhole: Bool { elements.count == shape.reduce(1, *) }
}
