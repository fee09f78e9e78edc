public import ApusBase
internal import ApusFormats

/// A complete checkpoint, opened for reading. For one thread at a time.
public final class Checkpoint {
    public let path: String
    public let manifest: Manifest
    private let checks: CheckpointChecks
    private var files: [Int: VerifiedFile] = [:]
    private let index: [StateKey: Int]
    /// Whether files are taken to be in memory already; nil finds out.
    var isCached: Bool?

    /// Reads and checks the manifest; files are opened when something of them is read.
    public init(path: String, checks: CheckpointChecks = .hashes) throws(FileError) {
        self.path = path
        self.checks = checks
        let manifest = try Self.manifest(of: path)
        self.manifest = manifest
        index = Dictionary(
            uniqueKeysWithValues: manifest.tensors.enumerated().map { ($0.element.key, $0.offset) })
    }

    static func manifest(of folder: String) throws(FileError) -> Manifest {
        let path = FilePaths.join(folder, CheckpointNames.manifest)
        guard FilePaths.isFile(path) else {
            let isThere = FilePaths.isFolder(folder)
            throw FileError(
                folder,
                isThere
                    ? "holds no \(CheckpointNames.manifest)" : "there is no such checkpoint",
                likelyCause: isThere
                    ? "it is no checkpoint, or a copy of one that is incomplete"
                    : "a misspelt path, or the checkpoint was removed",
                remedy: "give the folder of a checkpoint, such as out/checkpoint-100")
        }
        let text = try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
        return try Manifest(text: text, path: path)
    }

    /// Whether a folder holds everything that its manifest lists.
    static func isComplete(_ folder: String) -> Bool {
        do {
            let checkpoint = try Checkpoint(path: folder, checks: .sizes)
            return checkpoint.problems().isEmpty
        } catch {
            return false
        }
    }

    public func tensor(_ key: StateKey) -> Manifest.TensorRecord? {
        index[key].map { manifest.tensors[$0] }
    }

    /// A text file of the checkpoint; nil when it has none of that name.
    public func document(_ name: String) throws(FileError) -> String? {
        guard let index = manifest.files.firstIndex(where: { $0.name == name }) else { return nil }
        let record = manifest.files[index]
        var bytes = [UInt8](repeating: 0, count: record.byteCount)
        let file = try file(index)
        try bytes.withUnsafeMutableBufferPointer { buffer throws(FileError) in
            try file.read(0..<record.byteCount, into: UnsafeMutableRawBufferPointer(buffer))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads elements of a tensor as they are stored, from whichever files hold them.
    public func read(
        _ tensor: Manifest.TensorRecord, _ elements: Range<Int>,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        precondition(
            destination.count == elements.count * tensor.dtype.byteCount,
            "read \(tensor.key): \(destination.count) bytes for \(elements.count) elements")
        for place in tensor.places(of: elements) {
            try file(place.file).read(
                place.bytes,
                into: UnsafeMutableRawBufferPointer(rebasing: destination[place.target]))
        }
    }

    /// Reads elements of a floating-point tensor as another floating-point type.
    public func read(
        _ tensor: Manifest.TensorRecord, _ elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        if dtype == tensor.dtype { return try read(tensor, elements, into: destination) }
        let tile = 1 << 18
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(tile, elements.count) * tensor.dtype.byteCount, alignment: 64)
        defer { scratch.deallocate() }
        for start in stride(from: elements.lowerBound, to: elements.upperBound, by: tile) {
            let part = start..<min(start + tile, elements.upperBound)
            let source = UnsafeMutableRawBufferPointer(
                rebasing: scratch[..<(part.count * tensor.dtype.byteCount)])
            try read(tensor, part, into: source)
            let offset = (start - elements.lowerBound) * dtype.byteCount
            let target = UnsafeMutableRawBufferPointer(
                rebasing: destination[offset..<offset + part.count * dtype.byteCount])
            NumberConversion.convert(
                UnsafeRawBufferPointer(source), tensor.dtype, to: target, dtype)
        }
    }

    func file(_ index: Int) throws(FileError) -> VerifiedFile {
        if let file = files[index] { return file }
        let record = manifest.files[index]
        let file = try VerifiedFile(record, in: path, checks, isCached: isCached)
        if record.name.hasSuffix(".safetensors") {
            try file.checkOrigin(id: manifest.id, path: FilePaths.join(path, record.name))
        }
        files[index] = file
        return file
    }

    /// Everything that is wrong with the checkpoint's files, each file checked whole.
    public func problems() -> [FileError] {
        manifest.files.indices.compactMap { index in
            do throws(FileError) {
                try file(index).verify()
                return nil
            } catch {
                return error
            }
        }
    }
}
