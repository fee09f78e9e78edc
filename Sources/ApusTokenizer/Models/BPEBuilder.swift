internal import ApusBase

/// Collects a vocabulary and merges as files write them, and makes the model.
struct BPEBuilder {
    let isByteLevel: Bool
    var continuingPrefix = ""
    var endSuffix = ""
    var hasByteFallback = false
    var unknown: String?
    var fusesUnknown = false
    var takesWholePieces = false

    private var ids: [ByteKey: Int32] = [:]
    private var tokens: [[UInt8]?] = []
    /// Tokens of a byte-level vocabulary that do not read as stand-ins for bytes.
    private var otherIDs: [ByteKey: Int32] = [:]
    private var otherTexts: [Int32: String] = [:]
    /// Where no merge reaches across.
    private var borders = MergeBorders()
    private var merges: [(left: Int32, right: Int32, merged: Int32)] = []

    init(isByteLevel: Bool) { self.isByteLevel = isByteLevel }

    mutating func add(_ token: String, id: Int32) {
        ids[ByteKey(token)] = id
        while tokens.count <= Int(id) { tokens.append(nil) }
        if !isByteLevel {
            tokens[Int(id)] = Array(token.utf8)
        } else if let bytes = ByteAlphabet.decode(token) {
            tokens[Int(id)] = bytes
        } else {
            otherIDs[ByteKey(token)] = id
            otherTexts[id] = token
        }
    }

    func contains(_ token: String) -> Bool { ids[ByteKey(token)] != nil }

    /// Adds the next merge by rank; returns the token that the vocabulary lacks, if one does.
    mutating func addMerge(_ left: String, _ right: String) -> String? {
        guard let leftID = ids[ByteKey(left)] else { return left }
        guard let rightID = ids[ByteKey(right)] else { return right }
        var rest = Substring(right)
        if !continuingPrefix.isEmpty {
            rest = Substring(right.unicodeScalars.dropFirst(continuingPrefix.unicodeScalars.count))
        }
        let merged = left + rest
        guard let mergedID = ids[ByteKey(merged)] else { return merged }
        merges.append((leftID, rightID, mergedID))
        borders.join(left, rest)
        return nil
    }

    /// Cuts text where no merge reaches across, which changes no token; nil where that is not
    /// certain, or never the case.
    var borderScanner: BorderScanner? {
        guard !isByteLevel, continuingPrefix.isEmpty, endSuffix.isEmpty, !takesWholePieces else {
            return nil
        }
        let spellsBytes =
            hasByteFallback && (0..<256).allSatisfy { contains(Self.fallbackToken(UInt8($0))) }
        return borders.scanner(unknown: unknown, spellsBytes: spellsBytes) { contains($0) }
    }

    var spelling: TokenSpelling {
        isByteLevel ? .byteLevel(ids: otherIDs, texts: otherTexts) : .plain
    }

    func model() -> BPEModel {
        BPEModel(
            vocabulary: Vocabulary(tokens), merges: MergeTable(merges), alphabet: alphabet,
            unknownID: unknown.flatMap { ids[ByteKey($0)] }, fusesUnknown: fusesUnknown,
            takesWholePieces: takesWholePieces)
    }

    private var alphabet: BPEModel.Alphabet {
        if isByteLevel {
            return .bytes((0..<256).map { ids[ByteKey(ByteAlphabet.encode([UInt8($0)]))] ?? -1 })
        }
        var options = BPEModel.CharacterOptions()
        options.continuingPrefix = Array(continuingPrefix.utf8)
        options.endSuffix = Array(endSuffix.utf8)
        if hasByteFallback {
            options.fallback = (0..<256).map { ids[ByteKey(Self.fallbackToken(UInt8($0)))] }
        }
        if !options.marksPlaces {
            options.ids = (0..<1 << 16).map { value in
                Unicode.Scalar(value).flatMap { ids[ByteKey(String($0))] } ?? -1
            }
        }
        return .characters(options)
    }

    /// `<0x0A>`
    static func fallbackToken(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
    }
}
