public import ApusBase
internal import CApusHost

/// The element formats in which GGUF files are written.
public enum GGUFElement: String, Sendable, CaseIterable {
    case f32, f16, bf16
    case q8_0, q4_0
    case q4_K = "q4_k"

    var type: GGUFTensorType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4_K: .q4_K
        }
    }

    /// Elements that stand in one block; a row must be a multiple of them.
    public var blockLength: Int { type.stored.block.elements }
}

/// Writes a GGUF file, version 3.
///
/// Tensors are declared first and then written in any order, each from its first element on and in
/// pieces of whole blocks. The file appears under its name when ``finish()`` returns. For one
/// thread at a time.
public final class GGUFWriter {
    public struct Tensor: Sendable, Hashable {
        public let name: String
        public let element: GGUFElement
        /// Outermost first.
        public let shape: [Int]

        public init(_ name: String, _ element: GGUFElement, shape: [Int]) {
            precondition(
                (shape.last ?? 1) % element.blockLength == 0,
                "GGUFWriter: rows of \(name) are no multiple of \(element.blockLength)")
            self.name = name
            self.element = element
            self.shape = shape
        }

        var byteCount: Int {
            let block = element.type.stored.block
            return shape.reduce(1, *) / block.elements * block.bytes
        }
    }

    private struct Progress {
        let tensor: Tensor
        let offset: Int
        var written = 0
    }

    private static let alignment = 32

    private let output: OutputFile
    private var progress: [ByteKey: Progress] = [:]

    public init(
        path: String, metadata: [(key: String, value: GGUFValue)], tensors: [Tensor]
    ) throws(FileError) {
        var header = GGUFBytes()
        header.append(UInt32(0x4655_4747))
        header.append(UInt32(3))
        header.append(UInt64(tensors.count))
        header.append(UInt64(metadata.count))
        for (key, value) in metadata {
            header.append(key)
            header.append(value)
        }
        var offset = 0
        var places: [(Tensor, Int)] = []
        for tensor in tensors {
            header.append(tensor, at: offset)
            places.append((tensor, offset))
            offset = Self.aligned(offset + tensor.byteCount)
        }
        let base = Self.aligned(header.bytes.count)
        header.bytes += repeatElement(0, count: base - header.bytes.count)
        output = try OutputFile(path: path, expectedSize: base + offset)
        for (tensor, place) in places {
            let old = progress.updateValue(
                Progress(tensor: tensor, offset: base + place), forKey: ByteKey(tensor.name))
            precondition(old == nil, "GGUFWriter: tensor \(tensor.name) is declared twice")
        }
        try write(header.bytes, at: 0)
        // The file ends on a boundary as well.
        if let last = places.last {
            let end = base + last.1 + last.0.byteCount
            try write([UInt8](repeating: 0, count: base + offset - end), at: end)
        }
    }

    private static func aligned(_ offset: Int) -> Int {
        (offset + alignment - 1) / alignment * alignment
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws(FileError) {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(FileError) in try output.write(raw, at: offset) }
        }
        try result.get()
    }

    /// Writes the next elements of a tensor, encoded as it was declared: whole blocks.
    public func write(_ name: String, _ floats: UnsafeBufferPointer<Float>) throws(FileError) {
        guard let state = progress[ByteKey(name)] else {
            preconditionFailure("GGUFWriter.write: tensor \(name) was not declared")
        }
        let stored = state.tensor.element.type.stored
        precondition(
            floats.count % stored.block.elements == 0, "GGUFWriter.write: no whole blocks")
        let size = floats.count / stored.block.elements * stored.block.bytes
        precondition(
            state.written + size <= state.tensor.byteCount,
            "GGUFWriter.write: more elements than \(name) has")
        let encoded = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer { encoded.deallocate() }
        stored.encode(floats, into: encoded)
        try output.write(UnsafeRawBufferPointer(encoded), at: state.offset + state.written)
        progress[ByteKey(name)]?.written += size
    }

    /// Syncs and names the file. Every tensor must have been written to its end.
    public func finish() throws(FileError) {
        for state in progress.values {
            precondition(
                state.written == state.tensor.byteCount,
                "GGUFWriter.finish: \(state.tensor.name) is not complete")
        }
        try output.commit()
    }
}

extension StoredFormat {
    /// Encodes whole blocks.
    func encode(
        _ floats: UnsafeBufferPointer<Float>, into bytes: UnsafeMutableRawBufferPointer
    ) {
        guard case .blocks(let code, let elements, _) = self else {
            NumberConversion.convert(UnsafeRawBufferPointer(floats), .float32, to: bytes, dtype!)
            return
        }
        let status = apus_quantize(
            code, floats.baseAddress, floats.count / elements, bytes.baseAddress)
        precondition(status == 0, "encode: no encoder for ggml type \(code)")
    }
}

/// The header's bytes.
private struct GGUFBytes {
    var bytes: [UInt8] = []

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    }

    mutating func append(_ text: String) {
        append(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func append(_ tensor: GGUFWriter.Tensor, at offset: Int) {
        append(tensor.name)
        append(UInt32(tensor.shape.count))
        for size in tensor.shape.reversed() { append(UInt64(size)) }
        append(tensor.element.type.rawValue)
        append(UInt64(offset))
    }

    /// The type's number, then the value.
    mutating func append(_ value: GGUFValue) {
        switch value {
        case .uint8(let value): typed(0, value)
        case .int8(let value): typed(1, value)
        case .uint16(let value): typed(2, value)
        case .int16(let value): typed(3, value)
        case .uint32(let value): typed(4, value)
        case .int32(let value): typed(5, value)
        case .float32(let value): typed(6, value.bitPattern)
        case .bool(let value): typed(7, UInt8(value ? 1 : 0))
        case .string(let value):
            append(UInt32(8))
            append(value)
        case .array(let value):
            append(UInt32(9))
            append(value)
        case .uint64(let value): typed(10, value)
        case .int64(let value): typed(11, value)
        case .float64(let value): typed(12, value.bitPattern)
        }
    }

    private mutating func typed(_ type: UInt32, _ number: some FixedWidthInteger) {
        append(type)
        append(number)
    }

    /// The elements' type and number, then the elements.
    private mutating func append(_ array: GGUFArray) {
        switch array {
        case .uint8(let values): list(0, values)
        case .int8(let values): list(1, values)
        case .uint16(let values): list(2, values)
        case .int16(let values): list(3, values)
        case .uint32(let values): list(4, values)
        case .int32(let values): list(5, values)
        case .float32(let values): list(6, values.map(\.bitPattern))
        case .bool(let values): list(7, values.map { UInt8($0 ? 1 : 0) })
        case .string(let values):
            begin(8, values.count)
            for value in values { append(value) }
        case .array(let values):
            begin(9, values.count)
            for value in values { append(value) }
        case .uint64(let values): list(10, values)
        case .int64(let values): list(11, values)
        case .float64(let values): list(12, values.map(\.bitPattern))
        }
    }

    private mutating func begin(_ type: UInt32, _ count: Int) {
        append(type)
        append(UInt64(count))
    }

    private mutating func list(_ type: UInt32, _ values: [some FixedWidthInteger]) {
        begin(type, values.count)
        for value in values { append(value) }
    }
}
