/// A line of text with styles, measured in terminal columns.
struct Line: Sendable, Hashable {
    enum Style: String, Sendable, Hashable {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case accent = "36"
        case good = "32"
        case warning = "33"
        case bad = "31"
    }

    struct Piece: Sendable, Hashable {
        var text: String
        var style: Style
    }

    var pieces: [Piece] = []

    mutating func add(_ text: String, _ style: Style) {
        pieces.append(Piece(text: text, style: style))
    }

    /// A label and its value.
    mutating func add(_ label: String, _ style: Style, _ value: String) {
        add(label, style)
        add(value, .plain)
    }

    /// Columns, with one per character: what Apus prints itself has no wide characters.
    var width: Int { pieces.reduce(0) { $0 + $1.text.count } }

    /// The line cut to so many columns.
    func fitted(to columns: Int) -> Line {
        var left = columns
        var result = Line()
        for piece in pieces where left > 0 {
            let isCut = piece.text.count > left
            let text = isCut ? String(piece.text.prefix(left - 1)) + "…" : piece.text
            left -= text.count
            result.add(text, piece.style)
        }
        return result
    }

    /// With escape sequences where colour is wanted.
    func text(hasColour: Bool) -> String {
        pieces.map { piece in
            hasColour && piece.style != .plain
                ? "\u{1B}[\(piece.style.rawValue)m\(piece.text)\u{1B}[0m" : piece.text
        }.joined()
    }
}
