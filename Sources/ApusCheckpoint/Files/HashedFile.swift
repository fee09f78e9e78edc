internal import ApusBase

/// Writes a file from its beginning to its end and hashes its blocks on the way.
struct HashedFile {
    private let file: any CheckpointFile
    private let name: String
    private var hasher = BlockHasher()
    private var byteCount = 0
    /// Small pieces wait here for each other.
    private var waiting: [UInt8] = []

    /// What is hashed and then written: it stays in the cache in between.
    private static let tile = 1 << 20
    private static let smallPiece = 1 << 16

    init(
        _ name: String, in folder: String, byteCount: Int, _ storage: any CheckpointStorage
    ) throws(FileError) {
        self.name = name
        file = try storage.createFile("\(folder)/\(name)", byteCount: byteCount)
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        byteCount += bytes.count
        if bytes.count < Self.smallPiece {
            hasher.add(bytes)
            waiting += bytes
            if waiting.count >= Self.tile { try flush() }
            return
        }
        try flush()
        for start in stride(from: 0, to: bytes.count, by: Self.tile) {
            let end = min(start + Self.tile, bytes.count)
            let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            hasher.add(piece)
            try file.write(piece)
        }
    }

    mutating func write(_ bytes: [UInt8]) throws(FileError) {
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try write(UnsafeRawBufferPointer(bytes))
        }
    }

    private mutating func flush() throws(FileError) {
        guard !waiting.isEmpty else { return }
        try waiting.withUnsafeBufferPointer { bytes throws(FileError) in
            try file.write(UnsafeRawBufferPointer(bytes))
        }
        waiting.removeAll(keepingCapacity: true)
    }

    /// Makes the file durable.
    mutating func finish() throws(FileError) -> Manifest.FileRecord {
        try flush()
        try file.finish()
        return Manifest.FileRecord(name: name, byteCount: byteCount, hashes: hasher.finish())
    }
}
