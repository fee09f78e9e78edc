internal import ApusBase
internal import CApusHost

/// How the elements of a stored tensor are laid out: how to read them in pieces and decode them.
enum StoredFormat: Sendable, Hashable {
    case plain(DType)
    case float8E4M3
    case float8E5M2
    /// A block format of ggml: so many elements in so many bytes.
    case blocks(code: Int32, elements: Int, bytes: Int)

    /// Elements that can only be decoded together, and their bytes.
    var block: (elements: Int, bytes: Int) {
        switch self {
        case .plain(let dtype): (1, dtype.byteCount)
        case .float8E4M3, .float8E5M2: (1, 1)
        case .blocks(_, let elements, let bytes): (elements, bytes)
        }
    }

    var dtype: DType? { if case .plain(let dtype) = self { dtype } else { nil } }

    func canBeRead(as target: DType) -> Bool {
        if let dtype { return NumberConversion.isDefined(from: dtype, to: target) }
        return target.isFloatingPoint
    }

    /// Decodes whole blocks to float32. Not for plain formats.
    private func decode(
        _ source: UnsafeRawPointer, blocks: Int, into floats: UnsafeMutablePointer<Float>
    ) {
        let bytes = source.assumingMemoryBound(to: UInt8.self)
        switch self {
        case .plain(let dtype): preconditionFailure("decode: \(dtype) needs no decoding")
        case .float8E4M3: apus_f8e4m3_to_f32(bytes, floats, blocks)
        case .float8E5M2: apus_f8e5m2_to_f32(bytes, floats, blocks)
        case .blocks(let code, _, _):
            let status = apus_dequantize(code, source, blocks, floats)
            precondition(status == 0, "decode: no decoder for ggml type \(code)")
        }
    }
}

extension StoredFormat {
    /// Converts elements that are in memory, of a format whose elements stand alone.
    func convert(
        _ source: UnsafeRawBufferPointer, as target: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) {
        if let dtype {
            NumberConversion.convert(source, dtype, to: destination, target)
            return
        }
        let count = source.count / block.bytes * block.elements
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { floats in
            guard let base = floats.baseAddress, let input = source.baseAddress else { return }
            decode(input, blocks: source.count / block.bytes, into: base)
            NumberConversion.convert(
                UnsafeRawBufferPointer(floats), .float32, to: destination, target)
        }
    }

    /// Bytes that are read at once: they and their decoded form stay in the second-level cache.
    private static let pieceBytes = 1 << 18

    /// Reads the elements of the tensor whose data begins at `offset` of the file.
    func read(
        _ file: MappedFile, offset: Int, elements: Range<Int>, as target: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let shared = SharedDestination(bytes: destination)
        let span = ParallelRead.spanBytes / target.byteCount
        let spanBytes = span / block.elements * block.bytes
        try ParallelRead.forEachSpan(of: elements, length: span) { part throws(FileError) in
            if elements.count > span {
                // The disk goes on while this is converted, also into the next tensor.
                let ahead = offset + part.upperBound / block.elements * block.bytes + 2 * spanBytes
                file.fetch(ahead..<(ahead + spanBytes))
            }
            let from = (part.lowerBound - elements.lowerBound) * target.byteCount
            let to = (part.upperBound - elements.lowerBound) * target.byteCount
            let own = UnsafeMutableRawBufferPointer(rebasing: shared.bytes[from..<to])
            try readSpan(file, offset: offset, elements: part, as: target, into: own)
        }
    }

    private func readSpan(
        _ file: MappedFile, offset: Int, elements: Range<Int>, as target: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        if elements.isEmpty { return }
        if dtype == target {
            try file.read(at: offset + elements.lowerBound * target.byteCount, into: destination)
            return
        }
        let pieceElements = Self.pieceBytes / block.bytes * block.elements
        let first = elements.lowerBound / block.elements * block.elements
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.pieceBytes, alignment: 64)
        let floats = UnsafeMutableBufferPointer<Float>.allocate(
            capacity: dtype == nil ? pieceElements : 0)
        defer {
            scratch.deallocate()
            floats.deallocate()
        }
        for start in stride(from: first, to: elements.upperBound, by: pieceElements) {
            let end = min(start + pieceElements, elements.upperBound)
            let wanted = max(start, elements.lowerBound)..<end
            let blocks = (end - start + block.elements - 1) / block.elements
            let piece = UnsafeMutableRawBufferPointer(rebasing: scratch[..<(blocks * block.bytes)])
            try file.read(at: offset + start / block.elements * block.bytes, into: piece)
            let from = (wanted.lowerBound - elements.lowerBound) * target.byteCount
            let to = (wanted.upperBound - elements.lowerBound) * target.byteCount
            let output = UnsafeMutableRawBufferPointer(rebasing: destination[from..<to])
            if let dtype {
                NumberConversion.convert(UnsafeRawBufferPointer(piece), dtype, to: output, target)
            } else {
                decode(piece.baseAddress!, blocks: blocks, into: floats.baseAddress!)
                let skipped = wanted.lowerBound - start
                let decoded = floats[skipped..<(skipped + wanted.count)]
                let raw = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: decoded))
                NumberConversion.convert(raw, .float32, to: output, target)
            }
        }
    }
}
