public import ApusBase
internal import CApusHost

/// A file of `torch.save` (`.pt`, `.pth`, `.bin`), of either of its two formats, or a plain pickle
/// without tensors of PyTorch. Nothing in it is executed.
///
/// The value's tensors are read in place from the mapped file; only deflated archives, which
/// PyTorch itself does not write, are unpacked into memory.
public final class PyTorchFile: Sendable {
    public let path: String
    public let value: PickleValue
    private let file: MappedFile
    /// Where it begins in the mapped file.
    private let base: Int

    public convenience init(path: String) throws(FileError) {
        try self.init(MappedFile(path: path))
    }

    public convenience init(_ file: MappedFile) throws(FileError) {
        try self.init(file, at: 0..<file.size, path: file.path)
    }

    /// One that stands among others in a file, as in distributed checkpoints.
    ///
    /// - path: for messages, whose offsets count from its beginning
    public init(_ file: MappedFile, at range: Range<Int>, path: String) throws(FileError) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= file.size,
            "PyTorchFile: \(range) is not within \(file.path)")
        self.file = file
        self.path = path
        base = range.lowerBound
        value = try file.withBytes { bytes throws(FileError) in
            let raw = UnsafeRawBufferPointer(rebasing: bytes[range])
            if ZipArchive.begins(raw) { return try TorchArchive(raw, path: path).value() }
            return try LegacyTorchFile(raw, path: path).value()
        }
    }

    /// A value that must be there and be what `get` wants of it.
    ///
    /// - what: its name for the message, such as `"optimizer_state_dict"`
    public func require<Value>(
        _ value: PickleValue?, _ what: String, _ get: (PickleValue) -> Value?
    ) throws(FileError) -> Value {
        guard let value else {
            throw FileError(path, "has no \(what)", likelyCause: "it is another kind of file")
        }
        guard let wanted = get(value) else {
            throw FileError(
                path, at: value.object.map { .offset($0.offset) },
                "\(what) is \(value.kind), which cannot be used here",
                likelyCause: "another program or version wrote the file")
        }
        return wanted
    }

    /// Reads elements (row-major) of one of this file's tensors as ``TensorSource/read`` does.
    ///
    /// - name: for messages
    public func read(
        _ tensor: PickledTensor, _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        try ReadPipeline.run { pipeline throws(FileError) in
            try read(
                tensor, name, elements: elements, as: dtype, into: destination, through: pipeline)
        }
    }

    func read(
        _ tensor: PickledTensor, _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        let entry = entry(tensor, name)
        checkRead(entry, elements, dtype, destination)
        guard let stored = tensor.dtype.stored, stored.canBeRead(as: dtype) else {
            throw noConversion(entry, to: dtype)
        }
        if tensor.isContiguous, case .file(let offset) = tensor.storage.place {
            try stored.read(
                file, offset: base + offset + tensor.offset * stored.block.bytes,
                elements: elements, as: dtype, into: destination, through: pipeline)
        } else {
            tensor.gather(from: file, base, stored, elements, as: dtype, into: destination)
        }
    }

    /// What the file says about a tensor, under the given name.
    public func entry(_ tensor: PickledTensor, _ name: String) -> TensorEntry {
        var begin = 0
        if case .file(let offset) = tensor.storage.place { begin = base + offset }
        let size = tensor.dtype.bitCount / 8
        let start = begin + tensor.offset * size
        return TensorEntry(
            name: name, shape: tensor.shape, format: tensor.dtype.rawValue,
            dtype: tensor.dtype.dtype, byteRange: start..<(start + tensor.elementCount * size),
            path: path)
    }
}

extension PickledTensor {
    /// Brings the elements into order in pieces that stay in the cache, then decodes them.
    fileprivate func gather(
        from file: MappedFile, _ base: Int, _ stored: StoredFormat, _ elements: Range<Int>,
        as target: DType, into destination: UnsafeMutableRawBufferPointer
    ) {
        switch storage.place {
        case .file(let offset):
            file.withBytes { raw in
                let bytes = UnsafeRawBufferPointer(rebasing: raw[(base + offset)...])
                gather(from: bytes, stored, elements, as: target, into: destination)
            }
        case .memory(let bytes):
            bytes.withUnsafeBytes {
                gather(from: $0, stored, elements, as: target, into: destination)
            }
        }
    }

    private func gather(
        from storage: UnsafeRawBufferPointer, _ stored: StoredFormat, _ elements: Range<Int>,
        as target: DType, into destination: UnsafeMutableRawBufferPointer
    ) {
        let size = stored.block.bytes
        let piece = 1 << 14
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(piece, elements.count) * size, alignment: 64)
        defer { scratch.deallocate() }
        guard !elements.isEmpty, let base = storage.baseAddress else { return }
        let (shape, strides) = (shape.map { Int64($0) }, strides.map { Int64($0) })
        for start in stride(from: elements.lowerBound, to: elements.upperBound, by: piece) {
            let count = min(piece, elements.upperBound - start)
            apus_gather_strided(
                base + offset * size, size, Int32(shape.count), shape, strides, Int64(start),
                Int64(count), scratch.baseAddress)
            let from = (start - elements.lowerBound) * target.byteCount
            stored.convert(
                UnsafeRawBufferPointer(rebasing: scratch[..<(count * size)]), as: target,
                into: UnsafeMutableRawBufferPointer(
                    rebasing: destination[from..<(from + count * target.byteCount)]))
        }
    }
}
