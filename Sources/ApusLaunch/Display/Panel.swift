import ApusBase

/// How a terminal wants to be written to.
public struct TerminalStyle: Sendable, Hashable {
    public var columns: Int
    public var hasColour: Bool

    public init(columns: Int, hasColour: Bool) {
        self.columns = columns
        self.hasColour = hasColour
    }
}

/// The live panel of a run: a few lines that fit the terminal. Pure; no cursor movement.
public struct Panel: Sendable {
    public let title: String
    public let style: TerminalStyle

    public init(title: String, style: TerminalStyle) {
        self.title = title
        self.style = style
    }

    /// The lines for the present state; `elapsed` is the run's age in seconds.
    func lines(_ state: RunState, elapsed: Double) -> [Line] {
        var lines = [heading(state, elapsed)]
        if let facts = state.facts {
            lines.append(bar(state, facts))
            if let last = state.last { lines += figures(last, state) }
        }
        return lines.map { $0.fitted(to: style.columns) }
    }

    private func heading(_ state: RunState, _ elapsed: Double) -> Line {
        var line = Line()
        line.add(title, .bold)
        if let facts = state.facts {
            line.add("  \(facts.ranks) rank\(facts.ranks == 1 ? "" : "s")", .dim)
            if let count = facts.parameters {
                line.add("  \(Figures.short(count)) parameters", .dim)
            }
        }
        if let ending = state.ending {
            line.add("  \(ending)", .warning)
        } else if let phase = state.phase {
            let detail = phase.detail.map { ": \($0)" } ?? ""
            line.add("  \(phase.name)\(detail)", .plain)
        }
        line.add("  \(Figures.duration(elapsed))", .dim)
        return line
    }

    private func bar(_ state: RunState, _ facts: TrainingEvent.RunFacts) -> Line {
        let step = state.last?.step ?? 0
        var text = "  step \(step)/\(facts.steps)"
        if let epoch = state.last?.epoch { text += "  epoch \(epoch.fixedTwo)" }
        let left = state.secondsLeft.map { "  \(Figures.duration($0)) left" } ?? ""
        let cells = max(4, min(48, style.columns - text.count - left.count - 1))
        // Eighths of a cell, so that the bar moves smoothly.
        let eighths = Int((state.progress * Double(cells * 8)).rounded(.down))
        let partial = ["·", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        let full = eighths / 8
        var line = Line()
        line.add(String(repeating: "█", count: full), .accent)
        if full < cells { line.add(partial[eighths % 8], eighths % 8 > 0 ? .accent : .dim) }
        line.add(String(repeating: "·", count: max(0, cells - full - 1)), .dim)
        line.add(text, .plain)
        line.add(left, .bold)
        return line
    }

    /// One line where the terminal is wide enough, else two.
    private func figures(_ last: TrainingEvent.StepFacts, _ state: RunState) -> [Line] {
        var first = Line()
        first.add("loss ", .dim)
        first.add(Figures.loss(last.loss), .bold)
        if let evalLoss = state.evalLoss { first.add("  held out ", .dim, Figures.loss(evalLoss)) }
        if let rate = last.learningRate {
            first.add("  lr ", .dim, Figures.learningRate(rate))
        }
        if let norm = last.gradNorm { first.add("  grad norm ", .dim, Figures.loss(norm)) }
        var second = Line()
        if let speed = last.tokensPerSecond {
            second.add(speed.wholeCount, .plain)
            second.add(" tokens/s", .dim)
        }
        if let memory = Figures.memory(last.memoryBytesPerRank) {
            second.add(second.width > 0 ? "  memory " : "memory ", .dim, memory)
        }
        let gap = "  "
        if first.width + second.width + gap.count <= style.columns {
            first.add(gap, .plain)
            first.pieces += second.pieces
            return [first, curve(state)].filter { $0.width > 0 }
        }
        return [first, second].filter { $0.width > 0 }
    }

    /// The losses so far as a row of bars.
    private func curve(_ state: RunState) -> Line {
        var line = Line()
        let text = Sparkline.text(state.losses, width: min(48, style.columns - 8))
        guard text.count > 1 else { return line }
        line.add(text, .accent)
        line.add("  loss", .dim)
        return line
    }
}

extension Double {
    fileprivate var fixedTwo: String { fixed(2) }
    fileprivate var wholeCount: String {
        isFinite && abs(self) < 1e15 ? Figures.count(Int(self)) : "?"
    }
}
