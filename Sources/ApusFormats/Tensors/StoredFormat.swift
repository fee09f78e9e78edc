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
    /// Elements that are decoded at once: they stay in the processor's nearest caches.
    private static let decodedAtOnce = 1 << 13

    /// Converts as many elements as `destination` has room for.
    ///
    /// - source: whole blocks
    /// - skipped: elements of the first block that are not wanted
    func convert(
        _ source: UnsafeRawBufferPointer, skipping skipped: Int = 0, as target: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) {
        if let dtype {
            NumberConversion.convert(source, dtype, to: destination, target)
            return
        }
        let wanted = skipped..<(skipped + destination.count / target.byteCount)
        let length = Self.decodedAtOnce / block.elements * block.elements
        withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { floats in
            for start in stride(from: 0, to: wanted.upperBound, by: length) {
                let count = min(length, source.count / block.bytes * block.elements - start)
                let stored = source.baseAddress! + start / block.elements * block.bytes
                decode(stored, blocks: count / block.elements, into: floats.baseAddress!)
                let part = wanted.clamped(to: start..<start + count)
                let decoded = UnsafeMutableBufferPointer(
                    rebasing: floats[(part.lowerBound - start)..<(part.upperBound - start)])
                let from = (part.lowerBound - skipped) * target.byteCount
                let to = (part.upperBound - skipped) * target.byteCount
                NumberConversion.convert(
                    UnsafeRawBufferPointer(decoded), .float32,
                    to: UnsafeMutableRawBufferPointer(rebasing: destination[from..<to]), target)
            }
        }
    }
}
