internal import ApusBase

extension StoredFormat {
    /// Reads the elements of the tensor whose data begins at `offset` of the file.
    ///
    /// - isCached: nil finds out
    func read(
        _ file: MappedFile, offset: Int, elements: Range<Int>, as target: DType,
        into destination: UnsafeMutableRawBufferPointer, isCached: Bool? = nil
    ) throws(FileError) {
        if elements.isEmpty { return }
        let read = TensorRead(
            file: file, offset: offset, format: self, target: target, elements: elements,
            destination: destination)
        try isCached ?? read.isCached ? read.fromCache() : read.fromDisk()
    }
}

/// The reading of some elements of a tensor, on several threads.
///
/// `@unchecked Sendable`: each thread fills its own part of the destination.
private struct TensorRead: @unchecked Sendable {
    let file: MappedFile
    let offset: Int
    let format: StoredFormat
    let target: DType
    let elements: Range<Int>
    let destination: UnsafeMutableRawBufferPointer

    /// Bytes of a thread's turn.
    private static let spanBytes = 4 << 20
    /// Bytes that are converted at once: they and their result stay in the second-level cache.
    private static let pieceBytes = 1 << 20

    /// Those that hold the elements.
    private var blocks: Range<Int> {
        let size = format.block.elements
        return elements.lowerBound / size..<(elements.upperBound + size - 1) / size
    }

    var isCached: Bool { file.isCached(place(of: blocks)) }

    /// Threads read side by side.
    func fromCache() throws(FileError) {
        let blockBytes = max(format.block.bytes, format.block.elements * target.byteCount)
        let spans = ParallelSpans<FileError>(blocks, length: Self.spanBytes / blockBytes)
        try spans.onThreads { () throws(FileError) in
            let piece = format.dtype == target ? nil : Piece(byteCount: Self.pieceBytes)
            while let span = spans.take() {
                guard let piece else {
                    try copy(span)
                    continue
                }
                for start in stride(from: span.lowerBound, to: span.upperBound, by: pieceBlocks) {
                    let part = start..<min(start + pieceBlocks, span.upperBound)
                    try piece.read(file, place(of: part))
                    convert(part, of: piece)
                }
            }
        }
    }

    /// From beginning to end, which disks and the system's reading ahead like best: threads take
    /// turns at reading and convert side by side.
    func fromDisk() throws(FileError) {
        if format.dtype == target { return try copy(blocks) }
        let pieces = ParallelSpans<FileError>(blocks, length: pieceBlocks)
        try pieces.onThreads { () throws(FileError) in
            let piece = Piece(byteCount: Self.pieceBytes)
            while let part = try pieces.take({ part throws(FileError) in
                try piece.read(file, place(of: part))
            }) {
                convert(part, of: piece)
            }
        }
    }

    private var pieceBlocks: Int { Self.pieceBytes / format.block.bytes }

    /// In the file.
    private func place(of blocks: Range<Int>) -> Range<Int> {
        offset + blocks.lowerBound * format.block.bytes
            ..< offset + blocks.upperBound * format.block.bytes
    }

    /// Elements that are wanted as they are stored.
    private func copy(_ part: Range<Int>) throws(FileError) {
        try file.read(at: place(of: part).lowerBound, into: output(part))
    }

    private func convert(_ part: Range<Int>, of piece: Piece) {
        let stored = UnsafeRawBufferPointer(rebasing: piece.bytes[..<place(of: part).count])
        let size = format.block.elements
        let held = part.lowerBound * size..<part.upperBound * size
        let wanted = held.clamped(to: elements)
        format.convert(
            stored, skipping: wanted.lowerBound - held.lowerBound, as: target, into: output(wanted))
    }

    private func output(_ part: Range<Int>) -> UnsafeMutableRawBufferPointer {
        let from = (part.lowerBound - elements.lowerBound) * target.byteCount
        return UnsafeMutableRawBufferPointer(
            rebasing: destination[from..<(from + part.count * target.byteCount)])
    }
}

/// Stored bytes on their way to a conversion.
private final class Piece {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: 64) }

    deinit { bytes.deallocate() }

    func read(_ file: MappedFile, _ place: Range<Int>) throws(FileError) {
        let target = UnsafeMutableRawBufferPointer(rebasing: bytes[..<place.count])
        try file.read(at: place.lowerBound, into: target)
    }
}
