/// Columns of a table for the terminal: the first one flush left, figures flush right.
public enum TextTable {
    /// - rows: all of the same count; the first is the heading
    /// - Returns: a line for each row, each with a line feed
    public static func text(_ rows: [[String]]) -> String {
        guard let head = rows.first else { return "" }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, text in
                let padding = String(repeating: " ", count: widths[column] - text.count)
                return column == 0 ? text + padding : padding + text
            }.joined(separator: "  ") + "\n"
        }.joined()
    }
}
