internal import ApusBase

/// A value of Thrift's compact protocol, in which Parquet writes its metadata.
indirect enum ThriftValue {
    case bool(Bool)
    case integer(Int64)
    case double(Double)
    case binary(UnsafeRawBufferPointer)
    case list([ThriftValue])
    case structure([Int: ThriftValue])

    subscript(field: Int) -> ThriftValue? {
        if case .structure(let fields) = self { fields[field] } else { nil }
    }

    var int: Int? { if case .integer(let value) = self { Int(value) } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var list: [ThriftValue]? { if case .list(let values) = self { values } else { nil } }

    var string: String? {
        if case .binary(let bytes) = self { String(validating: bytes, as: UTF8.self) } else { nil }
    }
}

/// What is wrong with bytes that should be Parquet, and where in them; the file is added outside.
struct ParquetFault: Error {
    let offset: Int
    let problem: String
}

/// Reads Thrift's compact protocol (thrift-compact-protocol.md). Sizes are checked against the
/// bytes that are left, nesting against a limit.
struct ThriftReader {
    let bytes: UnsafeRawBufferPointer
    var position: Int

    static let depthLimit = 32

    private enum Kind: UInt8 {
        case yes = 1
        case no = 2
        case byte = 3
        case int16 = 4
        case int32 = 5
        case int64 = 6
        case double = 7
        case binary = 8
        case list = 9
        case set = 10
        case map = 11
        case structure = 12
    }

    func fault(_ problem: String) -> ParquetFault { .init(offset: position, problem: problem) }

    private mutating func byte() throws(ParquetFault) -> UInt8 {
        guard position < bytes.count else { throw fault("the metadata ends early") }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func varint() throws(ParquetFault) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try byte()
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw fault("a number in the metadata is longer than 64 bits")
    }

    private mutating func zigzag() throws(ParquetFault) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// A count of things that take at least a byte each.
    private mutating func count() throws(ParquetFault) -> Int {
        let count = try varint()
        guard count <= UInt64(bytes.count - position) else {
            throw fault("a list in the metadata is longer than the file")
        }
        return Int(count)
    }

    mutating func structure(depth: Int = 0) throws(ParquetFault) -> ThriftValue {
        guard depth < Self.depthLimit else { throw fault("the metadata is nested too deep") }
        var fields: [Int: ThriftValue] = [:]
        var last: Int64 = 0
        while true {
            let header = try byte()
            if header == 0 { return .structure(fields) }
            last = header >> 4 == 0 ? try zigzag() : last &+ Int64(header >> 4)
            guard let kind = Kind(rawValue: header & 15) else { throw fault("unknown field type") }
            guard let field = Int16(exactly: last) else { throw fault("unknown field number") }
            switch kind {
            case .yes: fields[Int(field)] = .bool(true)
            case .no: fields[Int(field)] = .bool(false)
            default: fields[Int(field)] = try value(kind, depth: depth)
            }
        }
    }

    private mutating func value(_ kind: Kind, depth: Int) throws(ParquetFault) -> ThriftValue {
        switch kind {
        case .yes, .no: return .bool(try byte() == 1)
        case .byte: return .integer(Int64(Int8(bitPattern: try byte())))
        case .int16, .int32, .int64: return .integer(try zigzag())
        case .double:
            guard bytes.count - position >= 8 else { throw fault("the metadata ends early") }
            defer { position += 8 }
            let bits = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            return .double(Double(bitPattern: UInt64(littleEndian: bits)))
        case .binary:
            let count = try count()
            defer { position += count }
            return .binary(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)]))
        case .list, .set: return try list(depth: depth + 1)
        case .map: throw fault("a map where Parquet has none")
        case .structure: return try structure(depth: depth + 1)
        }
    }

    private mutating func list(depth: Int) throws(ParquetFault) -> ThriftValue {
        guard depth < Self.depthLimit else { throw fault("the metadata is nested too deep") }
        let header = try byte()
        let count = header >> 4 == 15 ? try count() : Int(header >> 4)
        guard count <= bytes.count - position else { throw fault("the metadata ends early") }
        guard let kind = Kind(rawValue: header & 15) else { throw fault("unknown element type") }
        var values: [ThriftValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try value(kind, depth: depth)) }
        return .list(values)
    }
}
