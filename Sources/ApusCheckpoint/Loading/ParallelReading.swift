internal import ApusBase
internal import ApusFormats
internal import CApusHost

/// What one slice of the state takes from a checkpoint.
struct SliceRead {
    let slice: StateSlice
    let tensor: Manifest.TensorRecord
}

extension Checkpoint {
    /// Reads the files from beginning to end, block by block, on several threads: checking and
    /// copying is slower than a fast disk.
    func read(_ reads: [SliceRead], threads: Int) throws(FileError) {
        let stored = reads.filter { $0.slice.dtype == $0.tensor.dtype }
        let reading = BlockReading(checkpoint: self, blocks: BlockRead.plan(stored, manifest))
        try reading.run(threads: threads)
        for read in reads where read.slice.dtype != read.tensor.dtype {
            try self.read(
                read.tensor, read.slice.elements, as: read.slice.dtype, into: read.slice.memory)
        }
    }

    /// The processors that a rank has for itself, where all ranks are on this machine; beyond a few
    /// there is no disk or memory to keep up.
    static func threads(ranks: Int) -> Int {
        max(1, min(4, Int(apus_usable_cores()) / ranks))
    }
}

/// The reading of blocks on several threads.
///
/// `@unchecked Sendable`: files are opened by one thread at a time, and each block's part of the
/// memory is written by the one thread that took the block.
private struct BlockReading: @unchecked Sendable {
    let checkpoint: Checkpoint
    let blocks: [BlockRead]

    /// What comes from a disk is read in the order of the file, by one thread after the other, and
    /// checked side by side.
    func run(threads: Int) throws(FileError) {
        let turns = ParallelSpans<FileError>(blocks.indices, length: 1, threads: threads)
        try turns.onThreads { () throws(FileError) in
            let buffer = BlockBuffer()
            var file: VerifiedFile?
            while let taken = try turns.take({ taken throws(FileError) in
                let block = blocks[taken.lowerBound]
                let opened = try checkpoint.file(block.file)
                if !opened.isCached { try opened.fetch(block, buffer) }
                file = opened
            }) {
                try file?.finish(blocks[taken.lowerBound], buffer)
            }
        }
    }
}

extension VerifiedFile {
    fileprivate func fetch(_ block: BlockRead, _ buffer: BlockBuffer) throws(FileError) {
        if checks == .hashes {
            try load(block.range, into: block.whole ?? buffer.bytes(block.range.count))
        } else {
            for part in block.parts { try load(part.bytes, into: part.target) }
        }
    }

    fileprivate func finish(_ block: BlockRead, _ buffer: BlockBuffer) throws(FileError) {
        guard checks == .hashes else {
            if isCached { try fetch(block, buffer) }
            return
        }
        let bytes = block.whole ?? buffer.bytes(block.range.count)
        if isCached {
            try loadChecked(block.number, into: bytes)
        } else {
            try check(block.number, UnsafeRawBufferPointer(bytes))
        }
        if block.whole == nil { block.copyParts(from: UnsafeRawBufferPointer(bytes)) }
    }
}

/// Room for a block of which only parts are wanted.
private final class BlockBuffer {
    private lazy var memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: BlockHashes.size, alignment: 4096)
    private var isUsed = false

    func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
        isUsed = true
        return UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
    }

    deinit { if isUsed { memory.deallocate() } }
}
