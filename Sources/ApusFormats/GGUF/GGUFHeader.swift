internal import ApusBase

/// The checked header of a GGUF file, version 2 or 3: metadata and where each tensor's data stands.
struct GGUFHeader {
    struct Tensor {
        let name: String
        let type: GGUFTensorType
        /// Outermost first; the file writes the innermost first.
        let shape: [Int]
        let byteRange: Range<Int>
    }

    let version: Int
    let metadata: [(key: String, value: GGUFValue)]
    let tensors: [Tensor]
    /// Where the tensors' data begins.
    let dataOffset: Int

    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
        var reader = GGUFReader(bytes, path: path)
        version = try Self.version(&reader)
        // A tensor's entry: name length, dimension count, type, offset. A pair: key length, type,
        // value.
        let tensorCount = try reader.count("the number of tensors", minimum: 24)
        let pairCount = try reader.count("the number of metadata values", minimum: 13)
        metadata = try Self.metadata(&reader, count: pairCount)
        let alignment = try Self.alignment(metadata, reader)
        var declared: [Declared] = []
        var names: Set<ByteKey> = []
        for _ in 0..<tensorCount {
            let start = reader.position
            let tensor = try Declared(&reader)
            guard names.insert(ByteKey(tensor.name)).inserted else {
                throw reader.fault("the tensor \"\(tensor.name)\" appears twice", at: start)
            }
            declared.append(tensor)
        }
        let dataOffset = (reader.position + alignment - 1) / alignment * alignment
        var tensors: [Tensor] = []
        for tensor in declared {
            tensors.append(try tensor.placed(from: dataOffset, alignment: alignment, reader))
        }
        self.tensors = tensors
        self.dataOffset = min(dataOffset, bytes.count)
    }

    private static func version(_ reader: inout GGUFReader) throws(FileError) -> Int {
        let magic = try reader.number(UInt32.self, "the first four bytes")
        guard magic == 0x4655_4747 else {
            throw reader.fault("does not begin with \"GGUF\"", at: 0)
        }
        let version = try reader.number(UInt32.self, "the version")
        guard version & 0xFFFF != 0 else {
            throw reader.fault("is a big-endian GGUF file, which is not supported", at: 4)
        }
        guard version == 2 || version == 3 else {
            throw reader.fault("GGUF version \(version); versions 2 and 3 are supported", at: 4)
        }
        return Int(version)
    }

    private static func metadata(
        _ reader: inout GGUFReader, count: Int
    ) throws(FileError) -> [(key: String, value: GGUFValue)] {
        var metadata: [(key: String, value: GGUFValue)] = []
        var keys: Set<ByteKey> = []
        for _ in 0..<count {
            let start = reader.position
            let key = try reader.string("a metadata key")
            guard keys.insert(ByteKey(key)).inserted else {
                throw reader.fault("the metadata key \"\(key)\" appears twice", at: start)
            }
            metadata.append((key, try reader.value(of: key)))
        }
        return metadata
    }

    private static func alignment(
        _ metadata: [(key: String, value: GGUFValue)], _ reader: GGUFReader
    ) throws(FileError) -> Int {
        guard let value = metadata.first(where: { $0.key == "general.alignment" })?.value else {
            return 32
        }
        guard let alignment = value.intValue, alignment > 0, alignment <= 1 << 30,
            alignment & (alignment - 1) == 0
        else { throw reader.fault("general.alignment is no power of two: \(value)") }
        return alignment
    }
}

/// A tensor's entry as it stands in the file.
private struct Declared {
    let name: String
    let type: GGUFTensorType
    let shape: [Int]
    let byteCount: Int
    /// Within the data.
    let offset: UInt64
    /// Where the entry stands, for messages.
    let position: Int

    init(_ reader: inout GGUFReader) throws(FileError) {
        position = reader.position
        name = try reader.string("a tensor's name")
        let count = try reader.number(UInt32.self, "the dimensions of \"\(name)\"")
        guard count <= UInt32(GGUFReader.dimensionLimit) else {
            throw reader.fault("\"\(name)\" has \(count) dimensions, more than 4", at: position)
        }
        var dimensions: [Int] = []
        for _ in 0..<count {
            let dimension = try reader.number(UInt64.self, "the dimensions of \"\(name)\"")
            guard let dimension = Int(exactly: dimension) else {
                throw reader.fault("\"\(name)\" has a dimension of \(dimension)", at: position)
            }
            dimensions.append(dimension)
        }
        let code = try reader.number(UInt32.self, "the type of \"\(name)\"")
        guard let type = GGUFTensorType(rawValue: code) else {
            let near = "requantise it to Q8_0 or Q4_K, or use the original weights"
            throw FileError(
                reader.path, at: .offset(position),
                "\"\(name)\" has ggml type \(code), not supported here",
                likelyCause: "an unusual quantisation", remedy: near)
        }
        self.type = type
        shape = dimensions.reversed()
        byteCount = try Self.byteCount(name, type, dimensions, reader, position)
        offset = try reader.number(UInt64.self, "the offset of \"\(name)\"")
    }

    private static func byteCount(
        _ name: String, _ type: GGUFTensorType, _ dimensions: [Int], _ reader: GGUFReader,
        _ position: Int
    ) throws(FileError) -> Int {
        let block = type.stored.block
        let row = dimensions.first ?? 1
        guard row % block.elements == 0 else {
            throw reader.fault(
                "\"\(name)\" has rows of \(row), no multiple of \(type.name)'s block of "
                    + "\(block.elements)",
                at: position)
        }
        // The product of the elements is checked as well, also where another dimension is zero.
        var elements = 1
        for dimension in dimensions where dimension > 0 {
            let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
            if overflow {
                throw reader.fault("\"\(name)\" is larger than any memory", at: position)
            }
            elements = product
        }
        if dimensions.contains(0) { return 0 }
        let (bytes, overflow) = (elements / block.elements).multipliedReportingOverflow(
            by: block.bytes)
        if overflow { throw reader.fault("\"\(name)\" is larger than any memory", at: position) }
        return bytes
    }

    func placed(
        from dataOffset: Int, alignment: Int, _ reader: GGUFReader
    ) throws(FileError) -> GGUFHeader.Tensor {
        guard offset % UInt64(alignment) == 0 else {
            throw reader.fault(
                "\"\(name)\" begins at \(offset), no multiple of the alignment \(alignment)",
                at: position)
        }
        let room = reader.bytes.count - dataOffset
        guard room >= 0, let start = Int(exactly: offset), start <= room, byteCount <= room - start
        else {
            throw FileError(
                reader.path, at: .offset(position),
                "the data of \"\(name)\" (\(byteCount) bytes at \(offset)) ends outside the file",
                likelyCause: "the file was cut off, as by an interrupted download",
                remedy: "download or write the file again")
        }
        let begin = dataOffset + start
        return .init(name: name, type: type, shape: shape, byteRange: begin..<(begin + byteCount))
    }
}
