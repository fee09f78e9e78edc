public import ApusBase

/// Writes the weights of a model into a folder as `transformers` does: `model.safetensors`, or
/// numbered files with an index when they would be larger than the limit.
///
/// Tensors are written in any order and in pieces. Files of an earlier, differently split model in
/// the folder are removed when the new ones are complete. For one thread at a time.
public final class ModelWriter {
    /// The limit of `transformers`: 50 GB.
    public static let defaultShardBytes = 50_000_000_000

    public let folder: String
    private let tensors: [SafetensorsWriter.Tensor]
    private var writers: [(file: String, writer: SafetensorsWriter)] = []
    private var shards: [ByteKey: Int] = [:]

    /// - Parameter tensors: in the model's order, which decides the split.
    public init(
        folder: String, tensors: [SafetensorsWriter.Tensor],
        maximumShardBytes: Int = ModelWriter.defaultShardBytes
    ) throws(FileError) {
        precondition(maximumShardBytes > 0, "ModelWriter: a shard must hold at least one byte")
        try FilePaths.createFolder(folder)
        self.folder = folder
        self.tensors = tensors
        let groups = Self.split(tensors, maximum: maximumShardBytes)
        for (number, group) in groups.enumerated() {
            let isSingle = groups.count == 1
            let file =
                isSingle
                ? ModelIndex.safetensors.single : ModelIndex.shardName(number + 1, of: groups.count)
            let path = FilePaths.join(folder, file)
            writers.append((file, try SafetensorsWriter(path: path, tensors: group)))
            for tensor in group { shards[ByteKey(tensor.name)] = number }
        }
    }

    /// Greedy in the given order; a tensor larger than the limit has a file of its own.
    static func split(
        _ tensors: [SafetensorsWriter.Tensor], maximum: Int
    ) -> [[SafetensorsWriter.Tensor]] {
        var groups: [[SafetensorsWriter.Tensor]] = []
        var current: [SafetensorsWriter.Tensor] = []
        var size = 0
        for tensor in tensors {
            if tensor.byteCount > maximum {
                groups.append([tensor])
                continue
            }
            if size + tensor.byteCount > maximum {
                groups.append(current)
                (current, size) = ([], 0)
            }
            current.append(tensor)
            size += tensor.byteCount
        }
        if !current.isEmpty || groups.isEmpty { groups.append(current) }
        return groups
    }

    private func writer(_ name: String) -> SafetensorsWriter {
        guard let shard = shards[ByteKey(name)] else {
            preconditionFailure("ModelWriter.write: tensor \(name) was not declared")
        }
        return writers[shard].writer
    }

    /// Writes the next bytes of a tensor, as they shall stand in the file.
    public func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try writer(name).write(name, bytes)
    }

    /// Writes the next elements of a tensor, converted from `dtype` to the declared one.
    public func write(
        _ name: String, _ elements: UnsafeRawBufferPointer, of dtype: DType
    ) throws(FileError) {
        try writer(name).write(name, elements, of: dtype)
    }

    /// Completes all files, writes the index, removes what an earlier model left.
    public func finish() throws(FileError) {
        for (_, writer) in writers { try writer.finish() }
        var written = Set(writers.map(\.file))
        if writers.count > 1 {
            var map: [String: String] = [:]
            for tensor in tensors { map[tensor.name] = writers[shards[ByteKey(tensor.name)]!].file }
            let parameters = tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
            let bytes = tensors.reduce(0) { $0 + $1.byteCount }
            let text = ModelIndex.text(weightMap: map, parameters: parameters, bytes: bytes)
            try OutputFile.write(text, to: FilePaths.join(folder, ModelIndex.safetensors.index))
            written.insert(ModelIndex.safetensors.index)
        }
        for name in try FilePaths.names(in: folder) where !written.contains(name) {
            let isWeights = ModelIndex.isShardName(name) || name == ModelIndex.safetensors.single
            guard isWeights || name == ModelIndex.safetensors.index else { continue }
            try FilePaths.remove(FilePaths.join(folder, name))
        }
    }
}
