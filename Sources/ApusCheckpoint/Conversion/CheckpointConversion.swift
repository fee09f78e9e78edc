public import ApusBase
internal import ApusFormats

/// Writes a training state as a checkpoint of any number of parts, one part in memory at a time.
public struct CheckpointConversion {
    private let source: any StateSource
    private let documents: [CheckpointDocument]
    private let storage: any CheckpointStorage

    public init(
        _ source: any StateSource, documents: [CheckpointDocument],
        storage: any CheckpointStorage = DiskStorage()
    ) {
        self.source = source
        self.documents = documents
        self.storage = storage
    }

    /// The checkpoint with its tensors in other parts and everything else as it is.
    public init(resharding checkpoint: Checkpoint) throws(FileError) {
        var documents: [CheckpointDocument] = []
        for file in checkpoint.manifest.files where !file.name.hasSuffix(".safetensors") {
            guard let text = try checkpoint.document(file.name) else { continue }
            documents.append(CheckpointDocument(file.name, text))
        }
        self.init(checkpoint, documents: documents)
    }

    /// - path: a folder that is not there yet
    /// - parts: how many ranks might have written it
    public func write(to path: String, parts: Int) throws {
        guard !FilePaths.isFolder(path), !FilePaths.isFile(path) else {
            throw FileError(
                path, "is there already", remedy: "choose another name, or remove it first")
        }
        let folder = path + CheckpointNames.saving
        let parent = FilePaths.folder(of: path)
        try FilePaths.createFolder(parent)
        let bytes = source.stateTensors.reduce(0) { $0 + $1.byteCount }
        try FreeSpace.check(parent, for: "the checkpoint", needs: bytes)
        if FilePaths.isFolder(folder) { try storage.removeTree(folder) }
        try storage.createFolder(folder)
        let id = UInt64.random(in: 0...UInt64.max).hex
        var reports: [PartReport] = []
        for part in 0..<parts {
            let writer = PartWriter(
                folder: folder, id: id, rank: part, rankCount: parts, storage: storage)
            reports.append(try write(shares(part, of: parts), part, writer))
        }
        let metric = (source as? Checkpoint)?.manifest.metric
        let manifest = try Manifest(id: id, step: source.step, metric: metric, parts: reports)
        try storage.write(
            Array(manifest.text.utf8), to: FilePaths.join(folder, CheckpointNames.manifest))
        try storage.syncFolder(folder)
        try storage.rename(folder, to: path)
        try storage.syncFolder(parent)
    }

    private typealias Share = (tensor: StateTensor, elements: Range<Int>)

    /// The elements of a part: all tensors laid end to end, cut in pieces of nearly equal size.
    private func shares(_ part: Int, of parts: Int) -> [Share] {
        let total = source.stateTensors.reduce(0) { $0 + $1.elementCount }
        let window = total * part / parts..<total * (part + 1) / parts
        var start = 0
        return source.stateTensors.compactMap { tensor in
            let place = start..<start + tensor.elementCount
            start = place.upperBound
            let own = place.clamped(to: window)
            guard !own.isEmpty else { return nil }
            return (tensor, own.lowerBound - place.lowerBound..<own.upperBound - place.lowerBound)
        }
    }

    private func write(
        _ shares: [Share], _ part: Int, _ writer: PartWriter
    ) throws(FileError) -> PartReport {
        let slices = shares.map { tensor, elements in
            StateSlice(
                tensor.key, shape: tensor.shape, dtype: tensor.dtype, elements: elements,
                memory: .allocate(
                    byteCount: elements.count * tensor.dtype.byteCount, alignment: 64))
        }
        defer { for slice in slices { slice.memory.deallocate() } }
        for ((tensor, elements), slice) in zip(shares, slices) {
            try source.read(tensor, elements, into: slice.memory)
        }
        return try writer.write(slices, part == 0 ? documents : [])
    }
}
