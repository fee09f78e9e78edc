internal import ApusBase

/// The checked header of a safetensors file.
///
/// Layout: eight bytes with the header's length N (little-endian), N bytes of JSON, then the data.
/// Offsets in the header count from the beginning of the data.
struct SafetensorsHeader {
    struct Tensor {
        let name: String
        let dtype: SafetensorsDType
        let shape: [Int]
        let offsets: Range<Int>
    }

    /// The reference reader's limit.
    static let lengthLimit = 100_000_000

    let metadata: [String: String]
    /// In the order of their data.
    let tensors: [Tensor]
    /// Where the data begins in the file.
    let dataOffset: Int

    init(_ file: UnsafeRawBufferPointer, path: String) throws(FileError) {
        let checker = HeaderChecker(path: path)
        let length = try checker.headerLength(of: file)
        let object = try checker.object(UnsafeRawBufferPointer(rebasing: file[8..<(8 + length)]))
        var metadata: [String: String] = [:]
        var tensors: [Tensor] = []
        for (key, value) in object.members {
            if key == "__metadata__" {
                metadata = try checker.metadata(value)
            } else {
                tensors.append(try checker.tensor(key, value))
            }
        }
        tensors.sort { Self.stands($0, before: $1) }
        try checker.checkOrder(tensors, dataSize: file.count - 8 - length)
        self.metadata = metadata
        self.tensors = tensors
        dataOffset = 8 + length
    }

    /// By offset; of tensors without data, the name decides.
    private static func stands(_ left: Tensor, before right: Tensor) -> Bool {
        let (a, b) = (left.offsets, right.offsets)
        if a.lowerBound != b.lowerBound { return a.lowerBound < b.lowerBound }
        if a.upperBound != b.upperBound { return a.upperBound < b.upperBound }
        return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
}

/// One message for each way in which a header can be wrong.
private struct HeaderChecker {
    let path: String

    static let damaged = "the file was cut off, damaged, or is no safetensors file"
    static let copyAgain = "download or write the file again"

    func fault(_ problem: String, at offset: Int? = nil, cause: String? = nil) -> FileError {
        FileError(
            path, at: offset.map { .offset($0) }, problem, likelyCause: cause ?? Self.damaged,
            remedy: Self.copyAgain)
    }

    func headerLength(of file: UnsafeRawBufferPointer) throws(FileError) -> Int {
        guard file.count >= 8 else {
            throw fault(
                "\(file.count) bytes are too few, a header's length alone takes 8"
            )
        }
        let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(SafetensorsHeader.lengthLimit) else {
            throw fault(
                "a header of \(length) bytes is larger than \(SafetensorsHeader.lengthLimit)", at: 0
            )
        }
        guard Int(length) <= file.count - 8 else {
            throw fault(
                "the header should have \(length) bytes, the file has \(file.count - 8) left", at: 0
            )
        }
        guard length >= 2 else { throw fault("a header of \(length) bytes holds nothing", at: 0) }
        return Int(length)
    }

    func object(_ header: UnsafeRawBufferPointer) throws(FileError) -> JSONObject {
        guard header[0] == UInt8(ascii: "{") else {
            throw fault("the header does not begin with '{'", at: 8)
        }
        let value: JSON
        do throws(JSONSyntaxError) {
            value = try JSON.parse(header)
        } catch {
            throw fault("the header is not valid JSON: \(error.problem)", at: 8 + error.offset)
        }
        // What begins with a brace and is JSON is an object.
        return value.objectValue ?? JSONObject()
    }

    func metadata(_ value: JSON) throws(FileError) -> [String: String] {
        guard let object = value.objectValue else {
            throw fault("__metadata__ is \(value.kind), not an object of strings")
        }
        var metadata: [String: String] = [:]
        for (key, value) in object.members {
            guard let text = value.stringValue else {
                throw fault("__metadata__ \"\(key)\" is \(value.kind), not a string")
            }
            metadata[key] = text
        }
        return metadata
    }

    func tensor(_ name: String, _ value: JSON) throws(FileError) -> SafetensorsHeader.Tensor {
        guard let object = value.objectValue else {
            throw fault("tensor \"\(name)\" is described by \(value.kind), not an object")
        }
        for key in ["dtype", "shape", "data_offsets"] where object[key] == nil {
            throw fault("tensor \"\(name)\" has no \(key)")
        }
        for key in object.keys where !["dtype", "shape", "data_offsets"].contains(key) {
            throw fault("tensor \"\(name)\" has an unknown field \"\(key)\"")
        }
        let dtype = try dtype(name, object["dtype"] ?? .null)
        let shape = try integers(object["shape"], "shape", of: name)
        let offsets = try integers(object["data_offsets"], "data_offsets", of: name)
        guard offsets.count == 2 else {
            throw fault(
                "tensor \"\(name)\": data_offsets has \(offsets.count) numbers instead of 2")
        }
        guard offsets[0] <= offsets[1] else {
            throw fault(
                "tensor \"\(name)\": its data ends at \(offsets[1]), begins at \(offsets[0])"
            )
        }
        let range = offsets[0]..<offsets[1]
        let size = try byteCount(name, dtype, shape)
        guard size == range.count else {
            throw fault(
                "tensor \"\(name)\": \(dtype.rawValue) of shape \(shape) has \(size) bytes, "
                    + "data_offsets give \(range.count)"
            )
        }
        return .init(name: name, dtype: dtype, shape: shape, offsets: range)
    }

    private func dtype(_ name: String, _ value: JSON) throws(FileError) -> SafetensorsDType {
        guard let text = value.stringValue else {
            throw fault("tensor \"\(name)\": dtype is \(value.kind), not a string")
        }
        guard let dtype = SafetensorsDType(rawValue: text) else {
            throw fault(
                "tensor \"\(name)\": unknown dtype \"\(text)\"", cause: "a newer format, or damage")
        }
        return dtype
    }

    private func integers(_ value: JSON?, _ field: String, of name: String) throws(FileError)
        -> [Int]
    {
        guard let elements = value?.arrayValue else {
            throw fault("tensor \"\(name)\": \(field) is not an array")
        }
        var integers: [Int] = []
        for element in elements {
            guard case .integer(let integer) = element, integer >= 0 else {
                throw fault("tensor \"\(name)\": \(field) holds something else than counts")
            }
            integers.append(integer)
        }
        return integers
    }

    private func byteCount(
        _ name: String, _ dtype: SafetensorsDType, _ shape: [Int]
    ) throws(FileError) -> Int {
        var bits = dtype.bitCount
        for dimension in shape {
            let (product, overflow) = bits.multipliedReportingOverflow(by: dimension)
            if overflow {
                throw fault("tensor \"\(name)\": shape \(shape) is larger than any memory")
            }
            bits = product
        }
        guard bits % 8 == 0 else {
            throw fault(
                "tensor \"\(name)\": \(dtype.rawValue) of shape \(shape) does not fill whole bytes")
        }
        return bits / 8
    }

    /// The data must be covered without a hole, an overlap or a rest.
    func checkOrder(_ tensors: [SafetensorsHeader.Tensor], dataSize: Int) throws(FileError) {
        var end = 0
        for tensor in tensors {
            let start = tensor.offsets.lowerBound
            guard start == end else {
                let what = start < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw fault(
                    "tensor \"\(tensor.name)\" begins at \(start) and \(what), which ends at \(end)"
                )
            }
            end = tensor.offsets.upperBound
        }
        guard end <= dataSize else {
            throw fault(
                "the tensors need \(end) bytes of data, the file has \(dataSize)",
                cause: "the file was cut off, as by an interrupted download")
        }
        guard end == dataSize else {
            throw fault("\(dataSize - end) bytes follow after the last tensor")
        }
    }
}
