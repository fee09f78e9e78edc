/// Puts a text before every segment that is not empty: `Prepend`.
struct PrependNormalizer: TextStage {
    let prefix: [UInt32]

    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            guard let base = old.baseAddress else { return }
            let (_, length) = base.scalar(at: piece.lowerBound)
            let first = piece.lowerBound..<piece.lowerBound + length
            for scalar in prefix { rewriter.append(scalar: scalar, from: first) }
            rewriter.copy(piece, of: old)
        }
    }
}

/// Replaces every match of a pattern: `Replace`.
struct ReplaceNormalizer: TextStage {
    let pattern: TextPattern
    let content: [UInt32]

    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            var copied = piece.lowerBound
            for match in pattern.matches(in: old, piece) {
                rewriter.copy(copied..<match.lowerBound, of: old)
                copied = match.upperBound
                let origin = lastCharacter(before: copied, in: old, from: piece.lowerBound)
                for scalar in content { rewriter.append(scalar: scalar, from: origin) }
            }
            rewriter.copy(copied..<piece.upperBound, of: old)
        }
    }

    /// What is put in stands for the last character that it replaces, as the reference has it.
    private func lastCharacter(
        before end: Int, in old: ByteBuffer, from start: Int
    ) -> Range<Int> {
        guard end > start, let base = old.baseAddress else { return start..<start }
        return base.scalarStart(before: end)..<end
    }
}

/// Changes, drops or keeps each character on its own.
struct CharacterNormalizer: TextStage {
    /// What a character becomes; nil keeps it, empty drops it.
    private let map: @Sendable (UInt32) -> [UInt32]?
    /// Asked once: most text is ASCII.
    private let changesASCII: [Bool]

    init(_ map: @escaping @Sendable (UInt32) -> [UInt32]?) {
        self.map = map
        changesASCII = (0..<128).map { map($0) != nil }
    }

    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            guard let base = old.baseAddress else { return }
            var index = piece.lowerBound
            var copied = index
            while index < piece.upperBound {
                let (scalar, length) = base.scalar(at: index)
                if scalar >= 0x80 || changesASCII[Int(scalar)], let replacement = map(scalar) {
                    rewriter.copy(copied..<index, of: old)
                    copied = index + length
                    for scalar in replacement {
                        rewriter.append(scalar: scalar, from: index..<copied)
                    }
                }
                index += length
            }
            rewriter.copy(copied..<piece.upperBound, of: old)
        }
    }

    static let lowercase = CharacterNormalizer { scalar in
        guard ScalarTable.shared.contains(scalar, in: hasLowercase) else { return nil }
        return Unicode.Scalar(scalar)?.properties.lowercaseMapping.unicodeScalars.map(\.value)
    }

    /// Capitals, Roman numerals, letters in circles, and what the table's version of Unicode did
    /// not know yet.
    private static let hasLowercase = CategorySet(.lu, .lt, .nl, .so, .cn)

    /// Drops combining marks, so that decomposed letters lose their accents.
    static let stripAccents = CharacterNormalizer { scalar in
        ScalarClass.marks.contains(scalar) ? [] : nil
    }

    /// The same for marks without a width of their own, as BERT has it.
    static let stripNonspacing = CharacterNormalizer { scalar in
        ScalarClass.nonspacing.contains(scalar) ? [] : nil
    }

    /// SentencePiece's `nmt` rules without its compatibility mappings: `Nmt`.
    static let nmt = CharacterNormalizer { scalar in
        switch scalar {
        case 0x1...0x8, 0xB, 0xE...0x1F, 0x7F, 0x8F, 0x9F: []
        case 0x9, 0xA, 0xC, 0xD, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
            [0x20]
        default: nil
        }
    }

    /// BERT's cleaning: no control characters, and one kind of space.
    static let cleanText = CharacterNormalizer { scalar in
        if scalar == 9 || scalar == 10 || scalar == 13 { return [0x20] }
        // Scalars that no Unicode version has assigned stay.
        if scalar == 0xFFFD || ScalarClass.controls.contains(scalar) { return [] }
        return ScalarTable.shared.isWhiteSpace(scalar) ? [0x20] : nil
    }

    /// Puts spaces around Chinese characters, which BERT reads one by one.
    static let spaceIdeographs = CharacterNormalizer { scalar in
        switch scalar {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
            0x2B740...0x2B81F, 0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            [0x20, scalar, 0x20]
        default: nil
        }
    }
}

/// Takes white space off the ends of a segment: `Strip`.
struct StripNormalizer: TextStage {
    let left: Bool
    let right: Bool

    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            guard let base = old.baseAddress else { return }
            var (start, end) = (piece.lowerBound, piece.upperBound)
            while left, start < end {
                let (scalar, length) = base.scalar(at: start)
                guard ScalarTable.shared.isWhiteSpace(scalar) else { break }
                start += length
            }
            while right, end > start {
                let last = base.scalarStart(before: end)
                guard ScalarTable.shared.isWhiteSpace(base.scalar(at: last).value) else { break }
                end = last
            }
            rewriter.copy(start..<end, of: old)
        }
    }
}

/// Writes bytes as the printable characters of ``ByteAlphabet``, where later steps work on those.
struct ByteAlphabetStage: TextStage {
    func apply(to text: inout PreparedText) {
        text.rewritePieces { old, piece, rewriter in
            for index in piece {
                rewriter.append(
                    scalar: ByteAlphabet.scalars[Int(old[index])], from: index..<index + 1)
            }
        }
    }
}
