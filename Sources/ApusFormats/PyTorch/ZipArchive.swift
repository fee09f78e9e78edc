internal import ApusBase
internal import CApusHost

/// The entries of a zip file by name, also of one larger than 4 GiB (APPNOTE.TXT 4.3 and 4.5.3).
///
/// Stored entries are read in place; deflated ones are unpacked into memory. Several disks,
/// encryption and other compressions are refused.
struct ZipArchive {
    struct Entry {
        let name: String
        let isDeflated: Bool
        /// Where the entry's bytes stand in the file, compressed or not.
        let range: Range<Int>
        /// After unpacking.
        let size: Int
        let crc32: UInt32
    }

    /// In the order of the directory.
    let entries: [Entry]
    private let path: String
    private let positions: [ByteKey: Int]

    /// Deflate's best: 258 bytes for two bits, less the rounding.
    private static let bestRatio = 1032

    static func begins(_ file: UnsafeRawBufferPointer) -> Bool {
        file.count >= 4 && file.loadUnaligned(as: UInt32.self).littleEndian == 0x0403_4B50
    }

    init(_ file: UnsafeRawBufferPointer, path: String) throws(FileError) {
        let directory = try ZipDirectory(file, path: path)
        var entries: [Entry] = []
        var positions: [ByteKey: Int] = [:]
        // Entries that shared their bytes could unpack to much more than the file's size explains.
        var total = 0
        for _ in 0..<directory.count {
            let entry = try directory.next()
            total += entry.range.count
            guard total <= file.count else {
                throw directory.fault("entry \"\(entry.name)\" shares its bytes with another")
            }
            guard !entry.isDeflated || entry.size / Self.bestRatio <= entry.range.count else {
                throw directory.fault(
                    "entry \"\(entry.name)\" claims to unpack to \(entry.size) bytes")
            }
            positions[ByteKey(entry.name)] = entries.count
            entries.append(entry)
        }
        self.entries = entries
        self.positions = positions
        self.path = path
    }

    subscript(name: String) -> Entry? { positions[ByteKey(name)].map { entries[$0] } }

    /// The content of a deflated entry.
    func unpack(_ entry: Entry, from file: UnsafeRawBufferPointer) throws(FileError) -> [UInt8] {
        let packed = file[entry.range]
        let content = [UInt8](unsafeUninitializedCapacity: entry.size) { buffer, initialized in
            let source = UnsafeRawBufferPointer(rebasing: packed)
                .assumingMemoryBound(to: UInt8.self)
            initialized = Int(
                max(
                    0,
                    apus_deflate_decode(
                        source.baseAddress, source.count, entry.crc32, buffer.baseAddress,
                        entry.size)))
        }
        guard content.count == entry.size else {
            throw FileError(
                path, at: .offset(entry.range.lowerBound),
                "entry \"\(entry.name)\" cannot be unpacked, or its checksum is wrong",
                likelyCause: "the file is damaged", remedy: "download or write the file again")
        }
        return content
    }
}

/// A cursor over the central directory.
private final class ZipDirectory {
    private let file: UnsafeRawBufferPointer
    private let path: String
    /// Where the next header begins.
    private var position = 0
    private(set) var count = 0

    init(_ file: UnsafeRawBufferPointer, path: String) throws(FileError) {
        self.file = file
        self.path = path
        try find()
    }

    func fault(_ problem: String, at offset: Int? = nil) -> FileError {
        FileError(
            path, at: .offset(offset ?? position), problem,
            likelyCause: "the file was cut off or damaged",
            remedy: "download or write the file again")
    }

    private func number<Number: FixedWidthInteger>(
        _ type: Number.Type, at offset: Int, _ what: String
    ) throws(FileError) -> Number {
        guard offset >= 0, offset <= file.count - MemoryLayout<Number>.size else {
            throw fault("the file ends inside \(what)")
        }
        return Number(littleEndian: file.loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// A 64-bit number that must be a position or size within the file, or at most `limit`.
    private func count64(at offset: Int, _ what: String, limit: Int) throws(FileError) -> Int {
        let value = try number(UInt64.self, at: offset, what)
        guard value <= UInt64(limit) else {
            throw fault("\(what) is \(value), which does not fit the file", at: offset)
        }
        return Int(value)
    }

    /// The end record stands last, before a comment of at most 65535 bytes.
    private func find() throws(FileError) {
        let size = 22
        let lowest = max(0, file.count - size - 0xFFFF)
        let end = stride(from: file.count - size, through: lowest, by: -1).first { at in
            file.loadUnaligned(fromByteOffset: at, as: UInt32.self).littleEndian == 0x0605_4B50
        }
        guard let end else {
            throw fault("has no directory at its end, as a zip file must", at: file.count)
        }
        count = Int(try number(UInt16.self, at: end + 10, "the directory's end"))
        position = Int(try number(UInt32.self, at: end + 16, "the directory's end"))
        if count == 0xFFFF || position == 0xFFFF_FFFF { try findLarge(before: end) }
        // A header has at least 46 bytes.
        guard position <= file.count, count <= (file.count - position) / 46 else {
            throw fault("its directory of \(count) entries lies outside the file", at: end)
        }
    }

    private func findLarge(before end: Int) throws(FileError) {
        let locator = end - 20
        guard locator >= 0, try number(UInt32.self, at: locator, "the locator") == 0x0706_4B50
        else { return }
        let record = try count64(at: locator + 8, "the 64-bit directory end", limit: file.count)
        guard try number(UInt32.self, at: record, "the 64-bit directory end") == 0x0606_4B50 else {
            throw fault("the 64-bit directory end is not where it should be", at: record)
        }
        count = try count64(at: record + 32, "the number of entries", limit: file.count)
        position = try count64(at: record + 48, "the directory's place", limit: file.count)
    }

    func next() throws(FileError) -> ZipArchive.Entry {
        let header = position
        guard try number(UInt32.self, at: header, "the directory") == 0x0201_4B50 else {
            throw fault("an entry of the directory does not begin as it should")
        }
        let flags = try number(UInt16.self, at: header + 8, "the directory")
        let method = try number(UInt16.self, at: header + 10, "the directory")
        let crc32 = try number(UInt32.self, at: header + 16, "the directory")
        let nameLength = Int(try number(UInt16.self, at: header + 28, "the directory"))
        let extraLength = Int(try number(UInt16.self, at: header + 30, "the directory"))
        let commentLength = Int(try number(UInt16.self, at: header + 32, "the directory"))
        let extra = header + 46 + nameLength
        guard extra + extraLength + commentLength <= file.count else {
            throw fault("the file ends inside the directory")
        }
        let name = String(decoding: file[(header + 46)..<extra], as: UTF8.self)
        guard flags & 1 == 0, method == 0 || method == 8 else {
            throw fault(
                flags & 1 != 0
                    ? "entry \"\(name)\" is encrypted"
                    : "entry \"\(name)\" is compressed by method \(method), not by deflate")
        }
        let place = try place(header, extra: extra..<(extra + extraLength))
        let range = try data(name, place)
        guard method == 8 || place.packed == place.size else {
            throw fault("entry \"\(name)\" is stored, but has two sizes")
        }
        position = extra + extraLength + commentLength
        return .init(
            name: name, isDeflated: method == 8, range: range, size: place.size, crc32: crc32)
    }

    private struct Place {
        var size: Int
        var packed: Int
        var offset: Int
    }

    /// Sizes and offset, from the 64-bit field where the header holds only ones.
    private func place(_ header: Int, extra: Range<Int>) throws(FileError) -> Place {
        let packed = try number(UInt32.self, at: header + 20, "the directory")
        let size = try number(UInt32.self, at: header + 24, "the directory")
        let offset = try number(UInt32.self, at: header + 42, "the directory")
        var place = Place(size: Int(size), packed: Int(packed), offset: Int(offset))
        var at = extra.lowerBound
        while at + 4 <= extra.upperBound {
            let kind = try number(UInt16.self, at: at, "the directory")
            let end = at + 4 + Int(try number(UInt16.self, at: at + 2, "the directory"))
            at += 4
            if kind == 1 {
                // An unpacked size may exceed the file's: it is checked against the packed one.
                if size == .max {
                    place.size = try count64(at: at, "an entry's size", limit: Int.max / 2)
                    at += 8
                }
                if packed == .max {
                    place.packed = try count64(at: at, "an entry's size", limit: file.count)
                    at += 8
                }
                if offset == .max {
                    place.offset = try count64(at: at, "an entry's place", limit: file.count)
                }
            }
            at = end
        }
        return place
    }

    /// The entry's own header stands before its bytes; its extra field may differ in length.
    private func data(_ name: String, _ place: Place) throws(FileError) -> Range<Int> {
        let what = "the header of entry \"\(name)\""
        guard try number(UInt32.self, at: place.offset, what) == 0x0403_4B50 else {
            throw fault("\(what) is not where the directory says", at: place.offset)
        }
        let nameLength = Int(try number(UInt16.self, at: place.offset + 26, what))
        let extraLength = Int(try number(UInt16.self, at: place.offset + 28, what))
        let begin = place.offset + 30 + nameLength + extraLength
        guard begin <= file.count, place.packed <= file.count - begin else {
            throw fault("entry \"\(name)\" ends outside the file", at: place.offset)
        }
        return begin..<(begin + place.packed)
    }
}
