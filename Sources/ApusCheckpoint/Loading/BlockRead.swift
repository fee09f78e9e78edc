internal import ApusBase

/// A block of a file, and where its bytes go.
struct BlockRead {
    /// Bytes of the file, and their place in memory.
    struct Part {
        let file: Int
        let bytes: Range<Int>
        let target: UnsafeMutableRawBufferPointer
    }

    let file: Int
    let number: Int
    /// The whole block.
    let range: Range<Int>
    /// What is wanted of it.
    private(set) var parts: [Part] = []

    /// Where the block goes as it is; nil when only parts of it are wanted, or in several places.
    var whole: UnsafeMutableRawBufferPointer? {
        parts.count == 1 && parts[0].bytes == range ? parts[0].target : nil
    }

    /// - bytes: the block's
    func copyParts(from bytes: UnsafeRawBufferPointer) {
        for part in parts {
            let from = part.bytes.lowerBound - range.lowerBound
            part.target.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + part.bytes.count]))
        }
    }

    /// All blocks that hold something of these slices, in the order of the files. The slices are
    /// wanted as they are stored.
    static func plan(_ reads: [SliceRead], _ manifest: Manifest) -> [BlockRead] {
        let parts = reads.flatMap { read in
            read.tensor.places(of: read.slice.elements).map { place in
                Part(
                    file: place.file, bytes: place.bytes,
                    target: UnsafeMutableRawBufferPointer(
                        rebasing: read.slice.memory[place.target]))
            }
        }
        var blocks: [BlockRead] = []
        let ordered = parts.sorted {
            ($0.file, $0.bytes.lowerBound) < ($1.file, $1.bytes.lowerBound)
        }
        for part in ordered {
            add(part, to: &blocks, fileSize: manifest.files[part.file].byteCount)
        }
        return blocks
    }

    /// Cuts a part where blocks end.
    private static func add(_ part: Part, to blocks: inout [BlockRead], fileSize: Int) {
        var start = part.bytes.lowerBound
        while start < part.bytes.upperBound {
            let number = start / BlockHashes.size
            let range = BlockHashes.range(number, ofFile: fileSize)
            let end = min(range.upperBound, part.bytes.upperBound)
            let from = start - part.bytes.lowerBound
            let target = UnsafeMutableRawBufferPointer(
                rebasing: part.target[from..<from + (end - start)])
            if blocks.last?.file != part.file || blocks.last?.number != number {
                blocks.append(BlockRead(file: part.file, number: number, range: range))
            }
            blocks[blocks.count - 1].parts.append(
                Part(file: part.file, bytes: start..<end, target: target))
            start = end
        }
    }

    private init(file: Int, number: Int, range: Range<Int>) {
        self.file = file
        self.number = number
        self.range = range
    }
}

extension Manifest.TensorRecord {
    /// Where elements of the tensor lie in files, and where they go in memory that holds them all.
    func places(of wanted: Range<Int>) -> [(file: Int, bytes: Range<Int>, target: Range<Int>)] {
        let size = dtype.byteCount
        return slices.filter { $0.elements.overlaps(wanted) }.map { slice in
            let part = slice.elements.clamped(to: wanted)
            let start = slice.offset + (part.lowerBound - slice.elements.lowerBound) * size
            let target = (part.lowerBound - wanted.lowerBound) * size
            return (
                slice.file, start..<start + part.count * size, target..<target + part.count * size
            )
        }
    }
}
