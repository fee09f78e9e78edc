public import ApusBase

/// One safetensors file, checked completely when it is opened.
public final class SafetensorsFile: TensorSource {
    /// The mapped file; `entry.byteRange` of its bytes are a tensor's raw data.
    public let file: MappedFile
    public let metadata: [String: String]
    public let names: [String]
    private let entries: [ByteKey: (entry: TensorEntry, stored: StoredFormat?)]

    public convenience init(path: String) throws(FileError) {
        try self.init(MappedFile(path: path))
    }

    public init(_ file: MappedFile) throws(FileError) {
        let header = try file.withBytes { raw throws(FileError) in
            try SafetensorsHeader(raw, path: file.path)
        }
        self.file = file
        metadata = header.metadata
        names = header.tensors.map(\.name)
        var entries: [ByteKey: (TensorEntry, StoredFormat?)] = [:]
        for tensor in header.tensors {
            let start = header.dataOffset + tensor.offsets.lowerBound
            let end = header.dataOffset + tensor.offsets.upperBound
            let entry = TensorEntry(
                name: tensor.name, shape: tensor.shape, format: tensor.dtype.rawValue,
                dtype: tensor.dtype.dtype, byteRange: start..<end, path: file.path)
            entries[ByteKey(tensor.name)] = (entry, tensor.dtype.stored)
        }
        self.entries = entries
        file.release(0..<header.dataOffset)
    }

    public func entry(_ name: String) -> TensorEntry? { entries[ByteKey(name)]?.entry }

    public func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let (entry, stored) = entries[ByteKey(name)] else {
            throw noSuchTensor(name, in: file.path, names: names)
        }
        checkRead(entry, elements, dtype, destination)
        guard let stored, stored.canBeRead(as: dtype) else {
            throw noConversion(entry, to: dtype)
        }
        try stored.read(
            file, offset: entry.byteRange.lowerBound, elements: elements, as: dtype,
            into: destination, through: pipeline)
    }
}

func noConversion(_ entry: TensorEntry, to dtype: DType) -> FileError {
    FileError(
        entry.path, at: .offset(entry.byteRange.lowerBound),
        "tensor \"\(entry.name)\" holds \(entry.format), which cannot be read as \(dtype)",
        likelyCause:
            "the file belongs to another kind of model, or is stored in a format not known here",
        remedy: "convert the file to F32, F16 or BF16")
}
