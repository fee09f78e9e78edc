internal import CApusHost

/// The hashes of a file: one for each block of ``size`` bytes, so that a reader can check what it
/// reads without reading the rest.
enum BlockHashes {
    static let algorithm = "xxh64"
    static let size = 4 << 20

    static func count(ofFile byteCount: Int) -> Int { (byteCount + size - 1) / size }

    /// The bytes of a block.
    static func range(_ block: Int, ofFile byteCount: Int) -> Range<Int> {
        block * size..<min((block + 1) * size, byteCount)
    }

    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = apus_xxh64()
        apus_xxh64_begin(&state)
        apus_xxh64_add(&state, bytes.baseAddress, bytes.count)
        return apus_xxh64_end(&state)
    }

    static func hash(_ text: String) -> UInt64 {
        var text = text
        return text.withUTF8 { hash(UnsafeRawBufferPointer($0)) }
    }
}

/// Hashes the blocks of a file whose bytes come in pieces.
struct BlockHasher {
    private var state = apus_xxh64()
    private var filled = 0
    private var hashes: [UInt64] = []

    init() { apus_xxh64_begin(&state) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let taken = min(rest.count, BlockHashes.size - filled)
            apus_xxh64_add(&state, rest.baseAddress, taken)
            filled += taken
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            if filled == BlockHashes.size { endBlock() }
        }
    }

    private mutating func endBlock() {
        hashes.append(apus_xxh64_end(&state))
        apus_xxh64_begin(&state)
        filled = 0
    }

    mutating func finish() -> [UInt64] {
        if filled > 0 { endBlock() }
        return hashes
    }
}

extension UInt64 {
    /// 16 hexadecimal digits.
    var hex: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
