/// Byte-pair encoding.
///
/// Source: Sennrich, Haddow, Birch: "Neural Machine Translation of Rare Words with Subword Units"
/// (ACL 2016), in the form of the `BPE` model of HuggingFace tokenizers.
struct BPEModel: TokenModel {
    /// How a piece becomes the first symbols.
    enum Alphabet: Sendable {
        /// One symbol a byte; -1 where the vocabulary lacks it.
        case bytes([Int32])
        /// One symbol a character.
        case characters(CharacterOptions)
    }

    struct CharacterOptions: Sendable {
        /// Put before every character but the first of a piece to find its token.
        var continuingPrefix: [UInt8] = []
        /// Put after the last character of a piece.
        var endSuffix: [UInt8] = []
        /// `<0x00>` to `<0xFF>`, which stand for the bytes of a missing character; nil without
        /// fallback.
        var fallback: [Int32?]?
        /// Tokens of single characters by their scalar, -1 where there is none; for those that are
        /// not marked. Longer ones are looked up.
        var ids: [Int32] = []

        var marksPlaces: Bool { !continuingPrefix.isEmpty || !endSuffix.isEmpty }
    }

    let vocabulary: Vocabulary
    let merges: MergeTable
    let alphabet: Alphabet
    /// Stands for what the vocabulary lacks; without it that is left out.
    let unknownID: Int32?
    /// Neighbouring unknown characters become one unknown token.
    let fusesUnknown: Bool
    /// A piece that is a token is taken whole, whatever the merges would make of it.
    let takesWholePieces: Bool

    func makeEncoder() -> any PieceEncoder { CachingEncoder(BPEEncoder(self)) }
}

final class BPEEncoder: PieceEncoder {
    private let model: BPEModel
    private var symbols = SymbolMerger()

    init(_ model: BPEModel) { self.model = model }

    func encode(_ piece: ByteBuffer, into run: inout TokenRun) {
        // Taken out while it works: Swift checks every use of an object's variable.
        var work = SymbolMerger()
        swap(&work, &symbols)
        defer { swap(&work, &symbols) }
        encode(piece, into: &run, by: &work)
    }

    private func encode(
        _ piece: ByteBuffer, into run: inout TokenRun, by symbols: inout SymbolMerger
    ) {
        if model.takesWholePieces, let id = model.vocabulary.id(of: piece) {
            run.append(id, from: 0, to: piece.count)
            return
        }
        symbols.removeAll()
        switch model.alphabet {
        case .bytes(let ids): appendBytes(piece, ids, to: &symbols)
        case .characters(let options): appendCharacters(piece, options, to: &symbols)
        }
        symbols.mergeAll(model.merges)
        var start = 0
        for symbol in symbols.symbols {
            let end = start + Int(symbol.length)
            run.append(symbol.id, from: start, to: end)
            start = end
        }
    }

    private func appendBytes(
        _ piece: ByteBuffer, _ ids: [Int32], to symbols: inout SymbolMerger
    ) {
        var unknown = PendingUnknown(model)
        for byte in piece {
            let id = ids[Int(byte)]
            if id >= 0 {
                unknown.flush(into: &symbols)
                symbols.append(id, length: 1)
            } else {
                unknown.add(1, into: &symbols)
            }
        }
        unknown.flush(into: &symbols)
    }

    private func appendCharacters(
        _ piece: ByteBuffer, _ options: BPEModel.CharacterOptions, to symbols: inout SymbolMerger
    ) {
        guard let base = piece.baseAddress else { return }
        var unknown = PendingUnknown(model)
        var index = 0
        while index < piece.count {
            let (scalar, length) = base.scalar(at: index)
            let character = ByteBuffer(rebasing: piece[index..<index + length])
            if let id = id(of: character, scalar, at: index, of: piece, options) {
                unknown.flush(into: &symbols)
                symbols.append(id, length: length)
            } else if !appendBytes(of: character, at: index, of: piece, options, to: &symbols) {
                // Else an unknown still pending stays pending, as in the reference.
                unknown.add(length, into: &symbols)
            }
            index += length
        }
        unknown.flush(into: &symbols)
    }

    private func id(
        of character: ByteBuffer, _ scalar: UInt32, at index: Int, of piece: ByteBuffer,
        _ options: BPEModel.CharacterOptions
    ) -> Int32? {
        if scalar < options.ids.count {
            let id = options.ids[Int(scalar)]
            return id < 0 ? nil : id
        }
        guard options.marksPlaces else { return model.vocabulary.id(of: character) }
        return model.vocabulary.id(of: marked(character, at: index, of: piece, options))
    }

    private func marked(
        _ character: ByteBuffer, at index: Int, of piece: ByteBuffer,
        _ options: BPEModel.CharacterOptions
    ) -> [UInt8] {
        let isLast = index + character.count == piece.count
        return (index > 0 ? options.continuingPrefix : []) + character
            + (isLast ? options.endSuffix : [])
    }

    /// Appends the byte tokens of a character, when the vocabulary has all of them.
    private func appendBytes(
        of character: ByteBuffer, at index: Int, of piece: ByteBuffer,
        _ options: BPEModel.CharacterOptions, to symbols: inout SymbolMerger
    ) -> Bool {
        guard let table = options.fallback else { return false }
        if options.marksPlaces {
            let bytes = marked(character, at: index, of: piece, options)
            return bytes.withUnsafeBufferPointer { Self.append($0, table, to: &symbols) }
        }
        return Self.append(character, table, to: &symbols)
    }

    private static func append(
        _ bytes: ByteBuffer, _ table: [Int32?], to symbols: inout SymbolMerger
    ) -> Bool {
        guard bytes.allSatisfy({ table[Int($0)] != nil }) else { return false }
        for byte in bytes { symbols.append(table[Int(byte)]!, length: 1) }
        return true
    }
}

/// The unknown token that is not yet appended, because the next character may join it.
private struct PendingUnknown {
    private let id: Int32?
    private let fuses: Bool
    private var length = 0

    init(_ model: BPEModel) {
        id = model.unknownID
        fuses = model.fusesUnknown
    }

    mutating func add(_ byteCount: Int, into symbols: inout SymbolMerger) {
        if !fuses { flush(into: &symbols) }
        length += byteCount
    }

    mutating func flush(into symbols: inout SymbolMerger) {
        if let id, length > 0 { symbols.append(id, length: length) }
        length = 0
    }
}
