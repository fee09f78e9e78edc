public import ApusBase

/// A model in several safetensors or PyTorch files with an index. All files are opened and checked
/// at once, so that a missing or damaged one is known before anything is allocated.
public final class ShardedTensors: TensorSource {
    /// The index file.
    public let path: String
    public let names: [String]
    private let shards: [ByteKey: any TensorSource]

    public init(indexPath: String) throws(FileError) {
        let index = try ModelIndex(path: indexPath)
        let files = try Self.open(index, path: indexPath)
        var shards: [ByteKey: any TensorSource] = [:]
        for (name, file) in index.weightMap {
            let shard = files[file]!
            guard shard.entry(name) != nil else {
                throw Self.misplaced(name, file, files: files, path: indexPath)
            }
            shards[ByteKey(name)] = shard
        }
        path = indexPath
        names = index.weightMap.map(\.name)
        self.shards = shards
    }

    private static func open(
        _ index: ModelIndex, path: String
    ) throws(FileError) -> [String: any TensorSource] {
        let folder = FilePaths.folder(of: path)
        let names = Set(index.weightMap.map(\.file)).sorted()
        let missing = names.filter { !FilePaths.isFile(FilePaths.join(folder, $0)) }
        guard missing.isEmpty else {
            throw FileError(
                path, "\(missing.count) of its \(names.count) files are missing: \(list(missing))",
                likelyCause: "the download or copy of the model is not complete",
                remedy: "fetch the missing files into \(folder)")
        }
        var files: [String: any TensorSource] = [:]
        for name in names { files[name] = try openTensors(at: FilePaths.join(folder, name)) }
        return files
    }

    private static func misplaced(
        _ name: String, _ file: String, files: [String: any TensorSource], path: String
    ) -> FileError {
        let actual = files.filter { $0.value.entry(name) != nil }.keys.sorted()
        let place = actual.isEmpty ? "no file of this model has it" : "it is in \(list(actual))"
        return FileError(
            path, "weight_map places \"\(name)\" in \(file), but \(place)",
            likelyCause: "index and files come from different versions of the model",
            remedy: "fetch all files of one version")
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(5).joined(separator: ", ")
        return names.count > 5 ? shown + ", ..." : shown
    }

    public func entry(_ name: String) -> TensorEntry? { shards[ByteKey(name)]?.entry(name) }

    public func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let shard = shards[ByteKey(name)] else {
            throw noSuchTensor(name, in: path, names: names)
        }
        try shard.read(
            name, elements: elements, as: dtype, into: destination, through: pipeline)
    }
}
