public import ApusBase
internal import ApusFormats

/// Writes a training state as a checkpoint of any number of parts, a few megabytes at a time.
public struct CheckpointConversion {
    private let source: any StateSource
    private let documents: [CheckpointDocument]
    private let storage: any CheckpointStorage
    /// Bytes in memory at a time: four blocks, of which whole ones are read without a copy.
    private static let tile = 4 * BlockHashes.size

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

    /// - path: a folder that is not there yet, or empty
    /// - parts: how many ranks might have written it
    public func write(to path: String, parts: Int) throws {
        let bytes = source.stateTensors.reduce(0) { $0 + $1.byteCount }
        try NewFolder(path, storage).fill(with: "the checkpoint", bytes: bytes) { folder in
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
        }
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
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.tile, alignment: 4096)
        defer { buffer.deallocate() }
        let slices = shares.map { PartSlice($0.tensor, $0.elements, of: source, through: buffer) }
        return try writer.write(slices, part == 0 ? documents : [])
    }
}
