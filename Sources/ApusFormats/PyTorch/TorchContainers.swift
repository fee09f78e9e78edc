internal import ApusBase

/// The format of PyTorch since 1.6: a zip file with `NAME/data.pkl` and one entry a storage.
struct TorchArchive {
    private let bytes: UnsafeRawBufferPointer
    private let path: String
    private let archive: ZipArchive
    private let folder: String

    /// A pickle describes its tensors in a few hundred bytes each. One that unpacks to more than
    /// this is no model.
    private static let pickleLimit = 1 << 28

    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
        self.bytes = bytes
        self.path = path
        archive = try ZipArchive(bytes, path: path)
        let suffix = "/data.pkl"
        let pickle = archive.entries.first {
            $0.name.hasSuffix(suffix) && $0.name.firstIndex(of: "/") == $0.name.lastIndex(of: "/")
        }
        guard let pickle else {
            throw FileError(
                path, "is a zip file without data.pkl, which torch.save writes",
                likelyCause: "it is an archive of something else",
                remedy: "unpack it, or give a file with weights")
        }
        folder = String(pickle.name.dropLast(suffix.count))
        try checkByteOrder()
    }

    private func checkByteOrder() throws(FileError) {
        guard let entry = archive[folder + "/byteorder"] else { return }
        let text = try content(entry) { String(decoding: $0, as: UTF8.self) }
        guard text == "little" else {
            throw FileError(
                path, at: .offset(entry.range.lowerBound),
                "its tensors have the byte order \"\(text)\", only little is read",
                likelyCause: "it was written on a machine of another kind")
        }
    }

    private func content<Value>(
        _ entry: ZipArchive.Entry, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Value
    ) throws(FileError) -> Value {
        guard entry.isDeflated else {
            return try body(UnsafeRawBufferPointer(rebasing: bytes[entry.range]))
        }
        guard entry.size <= Self.pickleLimit else {
            throw FileError(
                path, at: .offset(entry.range.lowerBound),
                "entry \"\(entry.name)\" unpacks to \(entry.size) bytes",
                likelyCause: "it is made to fill the memory")
        }
        let unpacked = try archive.unpack(entry, from: bytes)
        let result = unpacked.withUnsafeBytes { raw in
            Result { () throws(FileError) in try body(raw) }
        }
        return try result.get()
    }

    func value() throws(FileError) -> PickleValue {
        let entry = archive[folder + "/data.pkl"]!
        return try content(entry) { raw throws(FileError) in
            let base = entry.isDeflated ? 0 : entry.range.lowerBound
            var machine = PickleMachine(raw, path: path, base: base)
            let result = try machine.run()
            let reader = machine.reader
            var builder = PickleBuilder(machine) { storage, position throws(FileError) in
                try locate(storage, at: position, reader)
            }
            return try builder.value(result)
        }
    }

    private func locate(
        _ storage: PickleNode.Storage, at position: Int, _ reader: PickleReader
    ) throws(FileError) -> PickledStorage {
        guard let entry = archive[folder + "/data/" + storage.key] else {
            throw reader.fault(
                "a tensor lies in storage \"\(storage.key)\", which the archive does not have",
                at: position)
        }
        let (size, overflow) = storage.count.multipliedReportingOverflow(
            by: storage.dtype.bitCount / 8)
        guard !overflow, size <= entry.size else {
            throw reader.fault(
                "storage \"\(storage.key)\" should have \(storage.count) elements of "
                    + "\(storage.dtype.rawValue), the archive has \(entry.size) bytes",
                at: position)
        }
        let place: PickledStorage.Place =
            entry.isDeflated
            ? .memory(try archive.unpack(entry, from: bytes)) : .file(entry.range.lowerBound)
        return PickledStorage(key: storage.key, byteCount: entry.size, place: place)
    }
}

/// The format before: five pickles (a magic number, the version, sizes of types, the value, the
/// keys of the storages), then each storage behind its number of elements. A file that begins with
/// any other pickle is that pickle alone.
struct LegacyTorchFile {
    private let bytes: UnsafeRawBufferPointer
    private let path: String

    /// 0x1950a86a20f9469cfc6c as two's complement, little-endian.
    private static let magic: [UInt8] = [
        0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
    ]

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    /// The machine after the pickle at `offset`, and what the pickle holds.
    private func pickle(
        at offset: Int
    ) throws(FileError) -> (machine: PickleMachine, operand: PickleOperand, end: Int) {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        var machine = PickleMachine(rest, path: path, base: offset)
        let operand = try machine.run()
        return (machine, operand, offset + machine.reader.position)
    }

    private func plain(
        _ pickle: (machine: PickleMachine, operand: PickleOperand, end: Int)
    ) throws(FileError) -> PickleValue {
        let reader = pickle.machine.reader
        var builder = PickleBuilder(pickle.machine) { storage, position throws(FileError) in
            throw reader.fault(
                "a tensor in a pickle without storages", at: position,
                cause: "it was not written by torch.save")
        }
        return try builder.value(pickle.operand)
    }

    func value() throws(FileError) -> PickleValue {
        guard bytes.first == PickleOpcode.proto.rawValue else {
            throw FileError(
                path, at: .offset(0), "is neither a zip file nor a pickle",
                likelyCause: "it was not written by torch.save, or is damaged",
                remedy: "give a file of torch.save or a safetensors file")
        }
        let first = try pickle(at: 0)
        guard case .value(.largeInteger(Self.magic)) = first.operand else {
            return try plain(first)
        }
        let version = try pickle(at: first.end)
        guard case .value(.integer(1001)) = version.operand else {
            throw version.machine.reader.fault("is of an unknown version of the old format")
        }
        let system = try pickle(at: version.end)
        guard try plain(system)["little_endian"]?.boolValue != false else {
            throw FileError(
                path, at: .offset(version.end), "its tensors have their high bytes first",
                likelyCause: "it was written on a machine of another kind")
        }
        let content = try pickle(at: system.end)
        let keys = try pickle(at: content.end)
        let places = try places(content.machine, keys: try plain(keys), from: keys.end)
        let reader = content.machine.reader
        var builder = PickleBuilder(content.machine) { storage, position throws(FileError) in
            guard let place = places[ByteKey(storage.key)] else {
                throw reader.fault(
                    "a tensor lies in storage \"\(storage.key)\", which the file does not have",
                    at: position)
            }
            return place
        }
        return try builder.value(content.operand)
    }

    /// Where each storage stands. Their element types are known only to the tensors.
    private func places(
        _ machine: PickleMachine, keys: PickleValue, from start: Int
    ) throws(FileError) -> [ByteKey: PickledStorage] {
        var sizes: [ByteKey: Int] = [:]
        for node in machine.nodes {
            guard case .storage(let storage) = node.kind else { continue }
            sizes[ByteKey(storage.key)] = storage.dtype.bitCount / 8
        }
        var places: [ByteKey: PickledStorage] = [:]
        var at = start
        for key in keys.elements ?? [] {
            guard let key = key.stringValue, let size = sizes[ByteKey(key)] else {
                throw FileError(
                    path, at: .offset(at), "holds a storage that no understood tensor uses",
                    likelyCause: "tensors of an unusual kind",
                    remedy: "save it again with a current PyTorch")
            }
            guard bytes.count - at >= 8 else { throw cutOff(key, at) }
            let count = bytes.loadUnaligned(fromByteOffset: at, as: Int64.self).littleEndian
            at += 8
            guard count >= 0, count <= (bytes.count - at) / size else { throw cutOff(key, at) }
            places[ByteKey(key)] = PickledStorage(
                key: key, byteCount: Int(count) * size, place: .file(at))
            at += Int(count) * size
        }
        return places
    }

    private func cutOff(_ key: String, _ offset: Int) -> FileError {
        FileError(
            path, at: .offset(offset), "the file ends inside storage \"\(key)\"",
            likelyCause: "the file was cut off, as by an interrupted download",
            remedy: "download or write the file again")
    }
}
