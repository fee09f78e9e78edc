internal import ApusBase
internal import ApusFormats

/// How much of a checkpoint's files is checked.
public enum CheckpointChecks: String, Sendable, CaseIterable {
    /// Whatever is read has the hash that the manifest states.
    case hashes
    /// Only that files are there, belong to the checkpoint and have their sizes.
    case sizes
}

/// A file of a checkpoint, of which nothing is handed out that is not what was written.
///
/// For one thread at a time.
final class VerifiedFile {
    private let file: MappedFile
    private let record: Manifest.FileRecord
    let checks: CheckpointChecks
    /// Whether the file seemed to be in memory when it was opened.
    let isCached: Bool
    /// The block that was read last for a part of it: the next slice often begins in it.
    private var block: Int?
    private var scratch: UnsafeMutableRawBufferPointer?

    private static let tile = 1 << 18

    init(
        _ record: Manifest.FileRecord, in folder: String, _ checks: CheckpointChecks,
        isCached: Bool? = nil
    ) throws(FileError) {
        let path = FilePaths.join(folder, record.name)
        guard FilePaths.isFile(path) else {
            throw FileError(
                path, "is missing, though the manifest lists it",
                likelyCause: "it was deleted, or the folder was copied incompletely",
                remedy: "restore it, or use another checkpoint")
        }
        file = try MappedFile(path: path)
        self.isCached = isCached ?? file.isCached(0..<file.size)
        self.record = record
        self.checks = checks
        guard file.size == record.byteCount else {
            throw FileError(
                path, "has \(file.size) bytes instead of \(record.byteCount)",
                likelyCause: "it was cut off by a full disk or an incomplete copy",
                remedy: "restore it, or use another checkpoint")
        }
    }

    deinit { scratch?.deallocate() }

    /// Checks that the file belongs to the checkpoint `id`: swapped files have each other's place.
    func checkOrigin(id: String, path: String) throws(FileError) {
        let metadata = try SafetensorsFile(file).metadata
        guard metadata["checkpoint"] == id, metadata["file"] == record.name else {
            let other = metadata["file"].map { "'\($0)'" } ?? "another file"
            throw FileError(
                path, "holds \(other) of checkpoint \(metadata["checkpoint"] ?? "unknown")",
                likelyCause: "files were swapped or come from another checkpoint",
                remedy: "restore them, or use another checkpoint")
        }
    }

    /// Copies these bytes of the file into `destination`, whose size is theirs.
    func read(
        _ range: Range<Int>, into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        guard checks == .hashes else {
            return try file.read(at: range.lowerBound, into: destination)
        }
        var position = range.lowerBound
        while position < range.upperBound {
            let number = position / BlockHashes.size
            let whole = BlockHashes.range(number, ofFile: record.byteCount)
            let part = position..<min(whole.upperBound, range.upperBound)
            let start = position - range.lowerBound
            let target = UnsafeMutableRawBufferPointer(
                rebasing: destination[start..<start + part.count])
            if part == whole {
                try loadChecked(number, into: target)
            } else {
                let bytes = try held(number, whole)
                let from = part.lowerBound - whole.lowerBound
                target.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + part.count]))
            }
            position = part.upperBound
        }
    }

    /// A whole block, checked.
    private func held(_ number: Int, _ range: Range<Int>) throws(FileError)
        -> UnsafeRawBufferPointer
    {
        let buffer = scratch ?? .allocate(byteCount: BlockHashes.size, alignment: 4096)
        scratch = buffer
        let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
        if block != number {
            block = nil
            try loadChecked(number, into: bytes)
            block = number
        }
        return UnsafeRawBufferPointer(bytes)
    }

    // MARK: On any thread

    /// Copies bytes of the file, unchecked.
    func load(
        _ range: Range<Int>, into target: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        try file.read(at: range.lowerBound, into: target)
    }

    /// Throws unless these are the bytes that were written as a block.
    func check(_ number: Int, _ bytes: UnsafeRawBufferPointer) throws(FileError) {
        guard BlockHashes.hash(bytes) == record.hashes[number] else { throw damaged(number) }
    }

    /// Reads a block and hashes each tile of it while that is in the cache of the processor.
    func loadChecked(
        _ number: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        var hasher = BlockHasher()
        for start in stride(from: 0, to: target.count, by: Self.tile) {
            let end = min(start + Self.tile, target.count)
            let tile = UnsafeMutableRawBufferPointer(rebasing: target[start..<end])
            try file.read(at: number * BlockHashes.size + start, into: tile)
            hasher.add(UnsafeRawBufferPointer(tile))
        }
        guard hasher.finish() == [record.hashes[number]] else { throw damaged(number) }
    }

    private func damaged(_ number: Int) -> FileError {
        let block = BlockHashes.range(number, ofFile: record.byteCount)
        return FileError(
            file.path, at: .offset(block.lowerBound),
            "the \(block.count) bytes from here on are not what was written",
            likelyCause: "the file was damaged on disk or in a copy",
            remedy: "restore it, or use another checkpoint")
    }

    // MARK: Everything

    /// Reads and checks everything.
    func verify() throws(FileError) {
        guard checks == .hashes else { return }
        for number in record.hashes.indices {
            _ = try held(number, BlockHashes.range(number, ofFile: record.byteCount))
        }
    }
}
