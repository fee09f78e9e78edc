internal import ApusBase

/// Where everything stands in a safetensors file, byte for byte as the reference implementation
/// lays it out: tensors by dtype (widest first), then by name; a compact header padded with spaces
/// to a multiple of eight.
public struct SafetensorsLayout: Sendable {
    /// In the order of the file.
    public let tensors: [SafetensorsWriter.Tensor]
    /// Where the data of each begins, from the beginning of the file.
    public let offsets: [Int]
    /// The file's first bytes: the header's length and the header.
    public let beginning: [UInt8]
    /// The size of the whole file.
    public let byteCount: Int

    /// No two tensors have the same name.
    public init(_ tensors: [SafetensorsWriter.Tensor], metadata: [String: String]) {
        let ordered = Self.order(tensors)
        let header = Self.header(ordered, metadata)
        var end = 8 + header.count
        var offsets: [Int] = []
        var names: Set<ByteKey> = []
        for tensor in ordered {
            let isNew = names.insert(ByteKey(tensor.name)).inserted
            precondition(isNew, "SafetensorsLayout: tensor \(tensor.name) is declared twice")
            offsets.append(end)
            end += tensor.byteCount
        }
        self.tensors = ordered
        self.offsets = offsets
        byteCount = end
        beginning = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    }

    static func order(_ tensors: [SafetensorsWriter.Tensor]) -> [SafetensorsWriter.Tensor] {
        tensors.sorted { left, right in
            if left.dtype != right.dtype { return left.dtype.order > right.dtype.order }
            return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }
    }

    private static func header(
        _ tensors: [SafetensorsWriter.Tensor], _ metadata: [String: String]
    ) -> [UInt8] {
        var header = JSONObject()
        if !metadata.isEmpty {
            var object = JSONObject()
            // The reference writes a hash table's order; sorted, the same input gives the same
            // file.
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                object[key] = .string(value)
            }
            header["__metadata__"] = .object(object)
        }
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.byteCount
            header[tensor.name] = [
                "dtype": .string(tensor.dtype.rawValue),
                "shape": .array(tensor.shape.map { .integer($0) }),
                "data_offsets": .array([.integer(offset), .integer(end)]),
            ]
            offset = end
        }
        var bytes = Array(JSON.object(header).text(.compact).utf8)
        while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
        return bytes
    }
}
