public import ApusBase
internal import ApusFormats

/// What a checkpoint holds, for people and for programs.
public struct CheckpointSummary {
    private let checkpoint: Checkpoint

    public init(_ checkpoint: Checkpoint) { self.checkpoint = checkpoint }

    private var manifest: Manifest { checkpoint.manifest }

    /// Tensors and bytes of a kind, and its dtypes.
    private func figures(_ kind: String) -> (count: Int, bytes: Int, dtypes: [String]) {
        let tensors = manifest.tensors.filter { $0.key.kind == kind }
        let bytes = tensors.reduce(0) { $0 + $1.elementCount * $1.dtype.byteCount }
        return (tensors.count, bytes, Set(tensors.map(\.dtype.rawValue)).sorted())
    }

    public var text: String {
        var lines = [
            "\(checkpoint.path): step \(manifest.step), written by \(manifest.rankCount) rank"
                + (manifest.rankCount == 1 ? "" : "s"),
            "  \(manifest.parameterCount) parameters, \(manifest.files.count) files, "
                + ByteCount(manifest.byteCount).decimal,
        ]
        for kind in manifest.kinds {
            let figures = figures(kind)
            lines.append(
                "  \(kind): \(figures.count) tensors, "
                    + figures.dtypes.joined(separator: " and ") + ", "
                    + ByteCount(figures.bytes).decimal)
        }
        if let metric = manifest.metric { lines.append("  metric: \(metric)") }
        return lines.joined(separator: "\n")
    }

    public var json: JSON {
        var kinds = JSONObject()
        for kind in manifest.kinds {
            let figures = figures(kind)
            kinds[kind] = [
                "tensors": .integer(figures.count), "bytes": .integer(figures.bytes),
                "dtypes": .array(figures.dtypes.map { .string($0) }),
            ]
        }
        return [
            "path": .string(checkpoint.path), "step": .integer(manifest.step),
            "ranks": .integer(manifest.rankCount),
            "parameters": .integer(manifest.parameterCount),
            "bytes": .integer(manifest.byteCount), "files": .integer(manifest.files.count),
            "metric": manifest.metric.map { .number($0) } ?? .null, "kinds": .object(kinds),
        ]
    }
}

extension Checkpoint {
    /// Whether a folder has a manifest.
    public static func isCheckpoint(_ path: String) -> Bool {
        FilePaths.isFile(FilePaths.join(path, CheckpointNames.manifest))
    }
}

/// The files beside a model's weights.
public enum ModelDocuments {
    /// What a HuggingFace folder may have besides weights, as far as Apus uses it.
    public static let names = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
        "chat_template.jinja", "chat_template.json",
    ]

    /// Those of a model's folder.
    public static func inFolder(_ folder: String) throws(FileError) -> [CheckpointDocument] {
        let documents = try beside(folder)
        guard documents.contains(where: { $0.name == "config.json" }) else {
            throw FileError(
                folder, FilePaths.isFolder(folder) ? "holds no config.json" : "is no folder",
                likelyCause: "the path is not that of a model",
                remedy: "give the model's folder, with config.json and tokenizer")
        }
        return documents
    }

    /// Those that a folder happens to have.
    public static func beside(_ folder: String) throws(FileError) -> [CheckpointDocument] {
        var documents: [CheckpointDocument] = []
        for name in names {
            let path = FilePaths.join(folder, name)
            guard FilePaths.isFile(path) else { continue }
            let text = try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
            documents.append(CheckpointDocument(name, text))
        }
        return documents
    }

    public static func of(_ checkpoint: Checkpoint) throws(FileError) -> [CheckpointDocument] {
        var documents: [CheckpointDocument] = []
        for name in names {
            guard let text = try checkpoint.document(name) else { continue }
            documents.append(CheckpointDocument(name, text))
        }
        return documents
    }
}
