internal import ApusBase
internal import ApusFormats

/// Reads a folder of `torch.distributed.checkpoint`: `.metadata`, a pickle that says of which
/// blocks each tensor consists and where these stand, and `__R_N.distcp` files, in which one
/// `torch.save` stands after the other.
///
/// Nothing of the pickles is executed.
struct DistributedState {
    private let folder: String
    private let metadata: PyTorchFile
    /// Paths of keys in the nested dictionaries that were saved, by flat name.
    private let paths: PickledDictionary?
    private let tensors: [(name: String, shape: [Int])]
    /// Where the blocks of each tensor stand.
    private let blocks: [ByteKey: [Block]]
    private var files: [String: MappedFile] = [:]

    fileprivate struct Block {
        /// Of its first element.
        let offset: [Int]
        let file: String
        let range: Range<Int>
    }

    private static let metadataName = ".metadata"

    static func isOne(_ path: String) -> Bool {
        FilePaths.isFile(FilePaths.join(path, metadataName))
    }

    init(_ folder: String) throws(FileError) {
        self.folder = folder
        metadata = try PyTorchFile(path: FilePaths.join(folder, Self.metadataName))
        let value = metadata.value
        paths = value["planner_data"]?.dictionary
        let listed = try metadata.require(
            value["state_dict_metadata"], "\"state_dict_metadata\"") { $0.dictionary }
        // What is no tensor has no size.
        tensors = listed.members.compactMap { key, value in
            guard let name = key.stringValue, let shape = value["size"]?.shape else { return nil }
            return (name, shape)
        }
        let stored = try metadata.require(value["storage_data"], "\"storage_data\"") {
            $0.dictionary
        }
        var blocks: [ByteKey: [Block]] = [:]
        for (index, info) in stored.members {
            guard let name = index["fqn"]?.stringValue, let block = Block(index, info) else {
                throw FileError(
                    metadata.path, "says not where a part of the state stands",
                    likelyCause: "another version of PyTorch wrote it",
                    remedy: "convert it with torch.distributed.checkpoint.format_utils")
            }
            blocks[ByteKey(name), default: []].append(block)
        }
        self.blocks = blocks
    }

    /// How many ranks wrote files.
    func rankCount() throws(FileError) -> Int {
        let names = try FilePaths.names(in: folder).filter { $0.hasSuffix(".distcp") }
        return Set(names.map { $0.drop { $0 == "_" }.prefix { $0.isNumber } }).count
    }

    /// Adds weights and moments under the names of parameters.
    ///
    /// - Returns: the updates that the moments have behind them
    mutating func add(to state: inout PickledState) throws(FileError) -> Int? {
        var updates: Int?
        for (name, shape) in tensors {
            let path = paths?[name]?.elements?.compactMap(\.stringValue) ?? [name]
            guard let role = Role(path) else { continue }
            guard case .tensor(let key) = role else {
                if updates == nil { updates = try count(name) }
                continue
            }
            let pieces = try pieces(name, shape)
            let dtype = pieces.first?.part.tensor.dtype.dtype ?? .float32
            guard dtype.isFloatingPoint else { continue }
            try state.add(key, shape: shape, dtype: dtype, pieces, path: metadata.path)
        }
        return updates
    }

    /// What a saved tensor is for.
    private enum Role {
        case tensor(StateKey)
        case step

        /// - path: the keys that lead to it
        init?(_ path: [String]) {
            guard let last = path.last else { return nil }
            guard path.count >= 3, path[path.count - 3] == "state" else {
                // Of an optimizer only the states are tensors to take.
                guard path.count <= 2, path.first != "optimizer" else { return nil }
                self = .tensor(StateKey(last))
                return
            }
            let parameter = path[path.count - 2]
            switch last {
            case "exp_avg": self = .tensor(StateKey(parameter, "firstMoment"))
            case "exp_avg_sq": self = .tensor(StateKey(parameter, "secondMoment"))
            case "step": self = .step
            default: return nil
            }
        }
    }

    private mutating func count(_ name: String) throws(FileError) -> Int? {
        guard let block = blocks[ByteKey(name)]?.first else { return nil }
        let file = try open(block, name)
        return file.value.count(in: file)
    }

    /// The pieces of a tensor in its row-major order: each row of a block, as far as it runs.
    private mutating func pieces(
        _ name: String, _ shape: [Int]
    ) throws(FileError) -> [FlatTensors.Piece] {
        var runs: [(start: Int, piece: FlatTensors.Piece)] = []
        for block in blocks[ByteKey(name)] ?? [] {
            let file = try open(block, name)
            let tensor = try file.require(file.value, name) { $0.tensor }
            guard Self.fits(tensor.shape, at: block.offset, in: shape) else {
                throw FileError(
                    file.path, "a block of \(name) with shape \(tensor.shape) at \(block.offset) "
                        + "lies outside its shape \(shape)",
                    likelyCause: "the files belong to different checkpoints")
            }
            let part = FlatTensors.Part(file: file, tensor: tensor)
            let length = Self.runLength(tensor.shape, in: shape)
            for first in stride(from: 0, to: tensor.elementCount, by: max(length, 1)) {
                let start = Self.position(first, tensor.shape, block.offset, in: shape)
                runs.append((start, .init(part: part, elements: first..<first + length)))
            }
        }
        var end = 0
        runs.sort { $0.start < $1.start }
        for run in runs {
            guard run.start == end else {
                let what = run.start < end ? "overlap" : "leave a gap"
                throw FileError(
                    metadata.path, "the blocks of \(name) \(what) at element \(run.start)",
                    likelyCause: "the checkpoint is damaged, or of a kind not known here")
            }
            end += run.piece.elements.count
        }
        return runs.map(\.piece)
    }

    private mutating func open(_ block: Block, _ name: String) throws(FileError) -> PyTorchFile {
        let path = FilePaths.join(folder, block.file)
        if files[path] == nil {
            guard FilePaths.isFile(path) else {
                throw FileError(
                    path, "is missing, though \(Self.metadataName) lists it",
                    likelyCause: "an incomplete copy, or a save that was cut off",
                    remedy: "copy all of the checkpoint's files")
            }
            files[path] = try MappedFile(path: path)
        }
        let file = files[path]!
        guard block.range.upperBound <= file.size else {
            throw FileError(
                path, at: .offset(file.size), "ends inside \(name)",
                likelyCause: "an incomplete copy, or a save that was cut off",
                remedy: "copy all of the checkpoint's files")
        }
        return try PyTorchFile(
            file, at: block.range, path: "\(path), \(name) at \(block.range.lowerBound)")
    }
}

/// Blocks of a tensor.
extension DistributedState {
    fileprivate static func fits(_ block: [Int], at offset: [Int], in shape: [Int]) -> Bool {
        block.count == shape.count && offset.count == shape.count
            && zip(zip(block, offset), shape).allSatisfy { part, size in
                part.1 >= 0 && part.1 <= size && part.0 <= size - part.1
            }
    }

    /// Elements of a block that stand side by side in the whole tensor too.
    fileprivate static func runLength(_ block: [Int], in shape: [Int]) -> Int {
        var length = 1
        for (size, whole) in zip(block, shape).reversed() {
            length *= size
            if size != whole { break }
        }
        return length
    }

    /// The place in the whole tensor of a block's element.
    fileprivate static func position(
        _ element: Int, _ block: [Int], _ offset: [Int], in shape: [Int]
    ) -> Int {
        var (rest, stride, position) = (element, 1, 0)
        for dim in shape.indices.reversed() {
            let index = block[dim] == 0 ? 0 : rest % block[dim]
            rest /= max(block[dim], 1)
            position += (offset[dim] + index) * stride
            stride *= shape[dim]
        }
        return position
    }
}

extension DistributedState.Block {
    /// - index: what is stored, as `MetadataIndex` says it
    /// - info: where, as `_StorageInfo` says it
    fileprivate init?(_ index: PickleValue, _ info: PickleValue) {
        guard let file = info["relative_path"]?.stringValue, !file.contains("/"),
            let start = info["offset"]?.intValue, let length = info["length"]?.intValue,
            start >= 0, length >= 0
        else { return nil }
        let (end, overflow) = start.addingReportingOverflow(length)
        guard !overflow, info["transform_descriptors"]?.elements?.isEmpty ?? true else {
            return nil
        }
        self.init(offset: index["offset"]?.shape ?? [], file: file, range: start..<end)
    }
}
