/// A curve in one row of characters.
enum Sparkline {
    private static let levels: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// The means of `width` equal parts of the values, scaled between the least and the greatest.
    static func text(_ values: [Double], width: Int) -> String {
        let finite = values.filter(\.isFinite)
        guard width > 0, !finite.isEmpty else { return "" }
        let cells = min(width, finite.count)
        let means = (0..<cells).map { cell in
            let start = cell * finite.count / cells
            let end = max(start + 1, (cell + 1) * finite.count / cells)
            return finite[start..<end].reduce(0, +) / Double(end - start)
        }
        let least = means.min() ?? 0
        let range = (means.max() ?? 0) - least
        return String(
            means.map { mean in
                guard range > 0 else { return levels[0] }
                return levels[min(7, Int((mean - least) / range * 8))]
            })
    }
}
