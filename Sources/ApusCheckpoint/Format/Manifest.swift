public import ApusBase

/// What a checkpoint holds: every file with its size and hashes, every tensor with its slices.
///
/// As JSON it carries a checksum of itself; `Docs/checkpoint-format.md` describes the members.
public struct Manifest: Sendable, Hashable {
    static let format = "apus-checkpoint"
    static let version = 1

    /// Tells this checkpoint's files from those of every other.
    public var id: String
    /// Optimizer steps that were taken.
    public var step: Int
    /// Ranks that wrote it.
    public var rankCount: Int
    /// The held-out loss, or whatever `metric_for_best_model` names, where it was measured.
    public var metric: Double?
    public var files: [FileRecord]
    public var tensors: [TensorRecord]

    public struct FileRecord: Sendable, Hashable {
        public var name: String
        public var byteCount: Int
        /// One for each block of 4 MiB.
        public var hashes: [UInt64]
    }

    /// A tensor and where its elements stand.
    public struct TensorRecord: Sendable, Hashable {
        public var key: StateKey
        public var shape: [Int]
        public var dtype: DType
        /// Ascending; together all elements, each once.
        public var slices: [Slice]

        public var elementCount: Int { shape.reduce(1, *) }

        public struct Slice: Sendable, Hashable {
            /// Index among the manifest's files.
            public var file: Int
            /// The first element's byte in the file.
            public var offset: Int
            public var elements: Range<Int>
        }
    }

    public var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

    /// Elements of all weights.
    public var parameterCount: Int {
        tensors.reduce(0) { $0 + ($1.key.kind == StateKey.weight ? $1.elementCount : 0) }
    }

    public func tensor(_ key: StateKey) -> TensorRecord? { tensors.first { $0.key == key } }

    /// The kinds of state, `weight` first.
    public var kinds: [String] {
        let others = Set(tensors.map(\.key.kind)).subtracting([StateKey.weight]).sorted()
        return [StateKey.weight] + others
    }
}

// MARK: - JSON

extension Manifest {
    /// The text of manifest.json.
    public var text: String {
        var object = members
        object["checksum"] = .string(Self.checksum(object))
        return JSON.object(object).text(.indented) + "\n"
    }

    /// The hash of the members' compact text.
    private static func checksum(_ members: JSONObject) -> String {
        BlockHashes.hash(JSON.object(members).text(.compact)).hex
    }

    private var members: JSONObject {
        [
            "format": .string(Self.format), "version": .integer(Self.version),
            "id": .string(id), "step": .integer(step), "ranks": .integer(rankCount),
            "metric": metric.map { .number($0) } ?? .null,
            "hash": .string(BlockHashes.algorithm), "block_bytes": .integer(BlockHashes.size),
            "files": .array(files.map(\.json)), "tensors": .array(tensors.map(\.json)),
        ]
    }

    /// Reads and checks a manifest.
    ///
    /// - path: for messages
    /// - Throws: for a text that is damaged, of a newer version, or contradicts itself
    public init(text: String, path: String) throws(FileError) {
        let json: JSON
        do {
            json = try JSON.parse(text)
        } catch {
            throw Self.damaged(path, at: error.offset, "is not valid JSON: \(error.problem)")
        }
        guard var members = json.objectValue, members["format"]?.stringValue == Self.format else {
            throw FileError(
                path, "is no manifest of a checkpoint",
                remedy: "give a folder that 'apus train' or 'apus checkpoint' wrote")
        }
        let version = members["version"]?.intValue ?? 0
        guard version <= Self.version else {
            throw FileError(
                path, "is of format version \(version); this program reads up to \(Self.version)",
                likelyCause: "a newer Apus wrote the checkpoint", remedy: "use that one to read it")
        }
        let stated = members["checksum"]?.stringValue
        members["checksum"] = nil
        guard let stated, stated == Self.checksum(members) else {
            throw Self.damaged(path, "does not have the checksum that it states")
        }
        guard members["hash"]?.stringValue == BlockHashes.algorithm,
            members["block_bytes"]?.intValue == BlockHashes.size,
            let manifest = Manifest(members)
        else { throw Self.damaged(path, "lacks a member, or one is of the wrong kind") }
        self = manifest
        try checkSlices(path)
    }

    private init?(_ members: JSONObject) {
        guard let id = members["id"]?.stringValue, let step = members["step"]?.intValue,
            let rankCount = members["ranks"]?.intValue,
            let files = members["files"]?.arrayValue, let tensors = members["tensors"]?.arrayValue
        else { return nil }
        self.id = id
        self.step = step
        self.rankCount = rankCount
        metric = members["metric"]?.doubleValue
        self.files = files.compactMap(FileRecord.init)
        self.tensors = tensors.compactMap(TensorRecord.init)
        guard self.files.count == files.count, self.tensors.count == tensors.count else {
            return nil
        }
    }

    /// Every slice lies in its file, and every tensor is whole.
    private func checkSlices(_ path: String) throws(FileError) {
        var keys: Set<StateKey> = []
        for tensor in tensors {
            guard keys.insert(tensor.key).inserted else {
                throw Self.damaged(path, "lists \(tensor.key) twice")
            }
            if let gap = tensor.gap {
                throw Self.damaged(path, "\(tensor.key): \(gap)")
            }
            for slice in tensor.slices {
                let end = slice.offset + slice.elements.count * tensor.dtype.byteCount
                let isInside = files.indices.contains(slice.file) && slice.offset >= 0
                guard isInside, end <= files[slice.file].byteCount else {
                    throw Self.damaged(path, "\(tensor.key): a slice ends outside of its file")
                }
            }
        }
    }

    private static func damaged(
        _ path: String, at offset: Int? = nil, _ problem: String
    ) -> FileError {
        FileError(
            path, at: offset.map { .offset($0) }, problem,
            likelyCause: "the file was changed or damaged after it was written",
            remedy: "restore it, or use another checkpoint")
    }
}

extension Manifest.TensorRecord {
    /// What keeps the slices from being the whole tensor; nil for nothing.
    var gap: String? {
        var end = 0
        for slice in slices {
            let start = slice.elements.lowerBound
            if start > end { return "elements \(end) to \(start) are in no slice" }
            if start < end { return "elements \(start) to \(end) are in two slices" }
            end = slice.elements.upperBound
        }
        return end == elementCount ? nil : "elements \(end) to \(elementCount) are in no slice"
    }

    var json: JSON {
        [
            "name": .string(key.parameter), "kind": .string(key.kind),
            "dtype": .string(dtype.rawValue),
            "shape": .array(shape.map { .integer($0) }),
            "slices": .array(
                slices.map { slice in
                    let bounds = [slice.elements.lowerBound, slice.elements.upperBound]
                    return [
                        "file": .integer(slice.file), "offset": .integer(slice.offset),
                        "elements": .array(bounds.map { .integer($0) }),
                    ]
                }),
        ]
    }

    init?(_ json: JSON) {
        guard let name = json["name"]?.stringValue, let kind = json["kind"]?.stringValue,
            let dtype = json["dtype"]?.stringValue.flatMap({ DType(rawValue: $0) }),
            let shape = json["shape"]?.arrayValue, let slices = json["slices"]?.arrayValue
        else { return nil }
        key = StateKey(name, kind)
        self.dtype = dtype
        // Bounds that no arithmetic on them leaves the integers.
        self.shape = shape.compactMap(\.intValue).filter { (0...1 << 40).contains($0) }
        self.slices = slices.compactMap(Slice.init)
        guard self.shape.count == shape.count, self.slices.count == slices.count,
            self.shape.reduce(1.0, { $0 * Double($1) }) < 1e15
        else { return nil }
    }
}

extension Manifest.TensorRecord.Slice {
    fileprivate init?(_ json: JSON) {
        guard let file = json["file"]?.intValue, let offset = json["offset"]?.intValue,
            let bounds = json["elements"]?.arrayValue?.compactMap(\.intValue), bounds.count == 2,
            (0...1 << 60).contains(offset), bounds[0] >= 0, bounds[0] <= bounds[1],
            bounds[1] <= 1 << 50
        else { return nil }
        self.init(file: file, offset: offset, elements: bounds[0]..<bounds[1])
    }
}

extension Manifest.FileRecord {
    var json: JSON {
        [
            "name": .string(name), "bytes": .integer(byteCount),
            "hashes": .array(hashes.map { .string($0.hex) }),
        ]
    }

    /// Nil for what is no file's record: names are plain, hashes as many as blocks.
    init?(_ json: JSON) {
        guard let name = json["name"]?.stringValue, !name.contains("/"), !name.isEmpty,
            let byteCount = json["bytes"]?.intValue, byteCount >= 0,
            let hashes = json["hashes"]?.arrayValue
        else { return nil }
        self.name = name
        self.byteCount = byteCount
        self.hashes = hashes.compactMap { $0.stringValue.flatMap { UInt64($0, radix: 16) } }
        guard self.hashes.count == hashes.count,
            hashes.count == BlockHashes.count(ofFile: byteCount)
        else { return nil }
    }
}
