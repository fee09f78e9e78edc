internal import ApusBase

/// The loss over the steps as a picture: training as a line, held-out loss as dots.
struct LossPlot {
    struct Point: Hashable {
        var step: Int
        var loss: Double
    }

    var training: [Point]
    var evaluation: [Point]

    private static let size = (width: 720.0, height: 400.0)
    private static let margins = (left: 60.0, right: 20.0, top: 30.0, bottom: 46.0)

    init(training: [Point], evaluation: [Point]) {
        self.training = training.filter { $0.loss.isFinite }
        self.evaluation = evaluation.filter { $0.loss.isFinite }
    }

    var svg: String {
        let (width, height) = Self.size
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\"",
            "  viewBox=\"0 0 \(Int(width)) \(Int(height))\"",
            "  width=\"\(Int(width))\" height=\"\(Int(height))\"",
            "  font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
        ]
        parts += grid
        parts.append(line(training, color: "#1f6fb2"))
        parts += evaluation.map { dot($0, color: "#d1495b") }
        if evaluation.count > 1 { parts.append(line(evaluation, color: "#d1495b", dashed: true)) }
        parts += legend
        parts.append("</svg>")
        return parts.joined(separator: "\n") + "\n"
    }

    // MARK: Scales

    private var steps: (low: Double, high: Double) {
        let all = (training + evaluation).map { Double($0.step) }
        let low = all.min() ?? 0
        return (low, max(all.max() ?? 1, low + 1))
    }

    private var losses: (low: Double, high: Double, stride: Double) {
        let all = (training + evaluation).map(\.loss)
        let (low, high) = (all.min() ?? 0, all.max() ?? 1)
        let stride = Self.stride(of: max(high - low, 1e-6), parts: 5)
        return (
            (low / stride).rounded(.down) * stride, (high / stride).rounded(.up) * stride, stride
        )
    }

    /// The round number (1, 2 or 5 times a power of ten) nearest above a `parts`-th of the range.
    private static func stride(of range: Double, parts: Double) -> Double {
        var power = 1.0
        while power * 10 <= range / parts { power *= 10 }
        while power > range / parts { power /= 10 }
        let factor = [1.0, 2, 5, 10].first { $0 * power >= range / parts } ?? 10
        return factor * power
    }

    private func x(_ step: Double) -> Double {
        let (low, high) = steps
        let inner = Self.size.width - Self.margins.left - Self.margins.right
        return Self.margins.left + (step - low) / (high - low) * inner
    }

    private func y(_ loss: Double) -> Double {
        let (low, high, _) = losses
        let inner = Self.size.height - Self.margins.top - Self.margins.bottom
        let share = high > low ? (loss - low) / (high - low) : 0.5
        return Self.size.height - Self.margins.bottom - share * inner
    }

    // MARK: Parts

    private var grid: [String] {
        let (low, high, stride) = losses
        let digits = stride < 0.1 ? 2 : 1
        let left = Self.margins.left.fixed(1)
        let right = (Self.size.width - Self.margins.right).fixed(1)
        var parts = Swift.stride(from: low, through: high + stride / 2, by: stride).flatMap {
            value in
            let height = y(value).fixed(1)
            let rule =
                "<line x1=\"\(left)\" x2=\"\(right)\" y1=\"\(height)\" y2=\"\(height)\""
            return [
                rule + " stroke=\"#e3e3e3\"/>",
                label(
                    value.fixed(digits), x: Self.margins.left - 8, y: y(value) + 4, anchor: "end"),
            ]
        }
        let bottom = Self.size.height - Self.margins.bottom
        for step in tickSteps {
            parts.append(label("\(step)", x: x(Double(step)), y: bottom + 18, anchor: "middle"))
        }
        let middle = (Self.margins.left + Self.size.width - Self.margins.right) / 2
        parts.append(label("optimizer step", x: middle, y: Self.size.height - 8, anchor: "middle"))
        return parts
    }

    private var tickSteps: [Int] {
        let (low, high) = steps
        let stride = max(1, Self.stride(of: high - low, parts: 8))
        let first = (low / stride).rounded(.up) * stride
        return Swift.stride(from: first, through: high, by: stride).map { Int($0) }
    }

    private var legend: [String] {
        let top = Self.margins.top - 12
        var parts = [label("training loss", x: Self.margins.left, y: top, color: "#1f6fb2")]
        if !evaluation.isEmpty {
            let left = Self.margins.left + 110
            parts.append(label("held-out loss", x: left, y: top, color: "#d1495b"))
        }
        return parts
    }

    private func line(_ points: [Point], color: String, dashed: Bool = false) -> String {
        let path = points.map { "\(x(Double($0.step)).fixed(1)),\(y($0.loss).fixed(1))" }
        let dash = dashed ? " stroke-dasharray=\"5 4\"" : ""
        return "<polyline points=\"\(path.joined(separator: " "))\" fill=\"none\" "
            + "stroke=\"\(color)\" stroke-width=\"1.8\"\(dash)/>"
    }

    private func dot(_ point: Point, color: String) -> String {
        let center = "cx=\"\(x(Double(point.step)).fixed(1))\" cy=\"\(y(point.loss).fixed(1))\""
        return "<circle \(center) r=\"4\" fill=\"\(color)\"/>"
    }

    private func label(
        _ text: String, x: Double, y: Double, anchor: String = "start", color: String = "#444"
    ) -> String {
        let place = "x=\"\(x.fixed(1))\" y=\"\(y.fixed(1))\" text-anchor=\"\(anchor)\""
        return "<text \(place) fill=\"\(color)\">\(text)</text>"
    }
}
