internal import ApusBase
internal import ApusFormats

/// What one rank has written of a checkpoint.
struct PartReport: Sendable, Hashable {
    var files: [Manifest.FileRecord] = []
    /// Tensors with the slices that this rank's files hold; `file` counts these files.
    var tensors: [Manifest.TensorRecord] = []
}

/// A small text file of a checkpoint.
public struct CheckpointDocument: Sendable, Hashable {
    public let name: String
    public let text: String

    public init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}

/// Writes one rank's files of a checkpoint: its share of the slices, and its documents.
struct PartWriter {
    let folder: String
    let id: String
    let rank: Int
    let rankCount: Int
    let storage: any CheckpointStorage

    func write(
        _ slices: [PartSlice], _ documents: [CheckpointDocument]
    ) throws(FileError) -> PartReport {
        var report = PartReport()
        if !slices.isEmpty { try write(slices, &report) }
        for document in documents {
            let bytes = Array(document.text.utf8)
            var file = try HashedFile(document.name, in: folder, byteCount: bytes.count, storage)
            try file.write(bytes)
            report.files.append(try file.finish())
        }
        return report
    }

    private func write(_ slices: [PartSlice], _ report: inout PartReport) throws(FileError) {
        let name = CheckpointNames.part(rank, of: rankCount)
        var byName: [ByteKey: PartSlice] = [:]
        let tensors = slices.map { slice in
            let tensor = CheckpointNames.tensor(slice)
            byName[ByteKey(tensor)] = slice
            return SafetensorsWriter.Tensor(
                tensor, SafetensorsDType(slice.dtype),
                shape: slice.isWhole ? slice.shape : [slice.elements.count])
        }
        let layout = SafetensorsLayout(
            tensors, metadata: ["format": "pt", "checkpoint": id, "file": name])
        var file = try HashedFile(name, in: folder, byteCount: layout.byteCount, storage)
        try file.write(layout.beginning)
        for (tensor, offset) in zip(layout.tensors, layout.offsets) {
            guard let slice = byName[ByteKey(tensor.name)] else { continue }
            try slice.content { bytes throws(FileError) in try file.write(bytes) }
            let place = Manifest.TensorRecord.Slice(
                file: report.files.count, offset: offset, elements: slice.elements)
            report.tensors.append(
                Manifest.TensorRecord(
                    key: slice.key, shape: slice.shape, dtype: slice.dtype, slices: [place]))
        }
        report.files.append(try file.finish())
    }
}

extension PartReport {
    /// As bytes that travel to the rank which writes the manifest.
    var json: JSON {
        ["files": .array(files.map(\.json)), "tensors": .array(tensors.map(\.json))]
    }

    init?(_ json: JSON) {
        guard let files = json["files"]?.arrayValue, let tensors = json["tensors"]?.arrayValue
        else { return nil }
        self.files = files.compactMap(Manifest.FileRecord.init)
        self.tensors = tensors.compactMap(Manifest.TensorRecord.init)
        guard self.files.count == files.count, self.tensors.count == tensors.count else {
            return nil
        }
    }
}
