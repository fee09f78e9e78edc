public import ApusBase

/// A GGUF file (version 2 or 3), checked completely when it is opened; blocks are decoded as read.
///
/// Tensor names and the order of weights inside them are the file's: llama.cpp's names, and for the
/// Llama family query and key rows in its own order.
public final class GGUFFile: TensorSource {
    public let path: String
    public let version: Int
    /// In the order of the file.
    public let metadata: [(key: String, value: GGUFValue)]
    public let names: [String]
    private let file: MappedFile
    private let keys: [ByteKey: Int]
    private let entries: [ByteKey: (entry: TensorEntry, stored: StoredFormat)]

    public init(path: String) throws(FileError) {
        let file = try MappedFile(path: path)
        let header = try file.withBytes { raw throws(FileError) in
            try GGUFHeader(raw, path: path)
        }
        self.path = path
        self.file = file
        version = header.version
        metadata = header.metadata
        names = header.tensors.map(\.name)
        var keys: [ByteKey: Int] = [:]
        for (position, pair) in header.metadata.enumerated() { keys[ByteKey(pair.key)] = position }
        self.keys = keys
        var entries: [ByteKey: (TensorEntry, StoredFormat)] = [:]
        for tensor in header.tensors {
            let entry = TensorEntry(
                name: tensor.name, shape: tensor.shape, format: tensor.type.name,
                dtype: tensor.type.stored.dtype, byteRange: tensor.byteRange, path: path)
            entries[ByteKey(tensor.name)] = (entry, tensor.type.stored)
        }
        self.entries = entries
        file.release(0..<header.dataOffset)
    }

    /// A value of the metadata, as `llama.block_count`.
    public subscript(key: String) -> GGUFValue? { keys[ByteKey(key)].map { metadata[$0].value } }

    /// A value that must be there. Throws when it is missing or of another type.
    public func require<Value>(
        _ key: String, _ get: (GGUFValue) -> Value?
    ) throws(FileError) -> Value {
        guard let value = self[key] else {
            throw FileError(
                path, "the metadata has no \"\(key)\"", likelyCause: "it is no model of this kind")
        }
        guard let typed = get(value) else {
            throw FileError(path, "the metadata value \"\(key)\" has an unexpected type")
        }
        return typed
    }

    public func entry(_ name: String) -> TensorEntry? { entries[ByteKey(name)]?.entry }

    public func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let (entry, stored) = entries[ByteKey(name)] else {
            throw noSuchTensor(name, in: path, names: names)
        }
        checkRead(entry, elements, dtype, destination)
        guard stored.canBeRead(as: dtype) else { throw noConversion(entry, to: dtype) }
        try stored.read(
            file, offset: entry.byteRange.lowerBound, elements: elements, as: dtype,
            into: destination, through: pipeline)
    }
}
