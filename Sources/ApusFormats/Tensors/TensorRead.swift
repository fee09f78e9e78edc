internal import ApusBase

extension StoredFormat {
    /// Reads the elements of the tensor whose data begins at `offset` of the file.
    ///
    /// - isCached: nil finds out
    func read(
        _ file: MappedFile, offset: Int, elements: Range<Int>, as target: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline,
        isCached: Bool? = nil
    ) throws(FileError) {
        if elements.isEmpty { return }
        let read = TensorRead(
            file: file, offset: offset, format: self, target: target, elements: elements,
            destination: destination)
        if isCached ?? pipeline.isCached(read.place, of: file) {
            try read.fromCache()
        } else {
            try read.fromDisk(through: pipeline)
        }
    }
}

/// The reading of some elements of a tensor, on several threads.
///
/// `@unchecked Sendable`: each thread fills its own part of the destination.
struct TensorRead: @unchecked Sendable {
    let file: MappedFile
    let offset: Int
    let format: StoredFormat
    let target: DType
    let elements: Range<Int>
    let destination: UnsafeMutableRawBufferPointer

    /// Bytes of a thread's turn.
    private static let spanBytes = 4 << 20

    /// Those that hold the elements.
    private var blocks: Range<Int> {
        let size = format.block.elements
        return elements.lowerBound / size..<(elements.upperBound + size - 1) / size
    }

    /// In the file.
    var place: Range<Int> { place(of: blocks) }

    /// Threads read side by side.
    func fromCache() throws(FileError) {
        let blockBytes = max(format.block.bytes, format.block.elements * target.byteCount)
        let spans = ParallelSpans<FileError>(blocks, length: Self.spanBytes / blockBytes)
        try spans.onThreads { () throws(FileError) in
            let piece = format.dtype == target ? nil : Piece()
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

    /// This thread reads.
    func fromDisk(through pipeline: ReadPipeline) throws(FileError) {
        if format.dtype == target { return try copy(blocks) }
        for start in stride(from: blocks.lowerBound, to: blocks.upperBound, by: pieceBlocks) {
            let part = start..<min(start + pieceBlocks, blocks.upperBound)
            let piece = pipeline.takePiece()
            do throws(FileError) {
                try piece.read(file, place(of: part))
            } catch {
                pipeline.keep(piece)
                throw error
            }
            pipeline.add(Conversion(read: self, part: part, piece: piece))
        }
    }

    private var pieceBlocks: Int { Piece.byteCount / format.block.bytes }

    private func place(of blocks: Range<Int>) -> Range<Int> {
        offset + blocks.lowerBound * format.block.bytes
            ..< offset + blocks.upperBound * format.block.bytes
    }

    /// Elements that are wanted as they are stored.
    private func copy(_ part: Range<Int>) throws(FileError) {
        try file.read(at: place(of: part).lowerBound, into: output(part))
    }

    fileprivate func convert(_ part: Range<Int>, of piece: Piece) {
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

/// A piece of a tensor that has been read, and is in its place when it has been converted.
struct Conversion {
    let read: TensorRead
    let part: Range<Int>
    let piece: Piece

    /// Returns the piece for another.
    func run() -> Piece {
        read.convert(part, of: piece)
        return piece
    }
}
