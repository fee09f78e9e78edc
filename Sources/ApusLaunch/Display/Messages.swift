import ApusBase

/// The lasting lines of a run, which stay on the screen or in a file: one or more per event. Pure.
public struct Messages: Sendable {
    public var hasColour: Bool

    public init(hasColour: Bool) { self.hasColour = hasColour }

    /// A plain progress line, for output that is no terminal.
    public func step(_ last: TrainingEvent.StepFacts, _ state: RunState) -> String {
        var parts = ["step \(last.step)" + (state.facts.map { "/\($0.steps)" } ?? "")]
        if let epoch = last.epoch { parts.append("epoch \(epoch.fixed(2))") }
        parts.append("loss \(Figures.loss(last.loss))")
        if let rate = last.learningRate { parts.append("lr \(Figures.learningRate(rate))") }
        if let norm = last.gradNorm { parts.append("grad norm \(Figures.loss(norm))") }
        if let speed = last.tokensPerSecond { parts.append("\(speed.fixed(0)) tokens/s") }
        if let memory = Figures.memory(last.memoryBytesPerRank) { parts.append("memory \(memory)") }
        if let left = state.secondsLeft { parts.append("\(Figures.duration(left)) left") }
        return parts.joined(separator: "  ")
    }

    /// What an event other than a step says; empty when it says nothing that lasts.
    public func lines(_ event: TrainingEvent) -> [String] {
        switch event {
        // An error is told when the rank has ended, with how it did.
        case .phase, .step, .sample, .error, .done: []
        case .start(let facts): [start(facts)]
        case .evaluation(let step, let loss):
            ["held-out loss \(Figures.loss(loss)) at step \(step)"]
        case .saved(let path): ["saved \(path)"]
        case .resumed(let step, let path, let restored):
            ["resumed from \(path), step \(step): \(restored)"]
        case .note(let text): [text]
        case .warning(let message): [styled("warning: ", .warning) + message]
        }
    }

    private func start(_ facts: TrainingEvent.RunFacts) -> String {
        var text =
            "training: \(facts.steps) steps on \(facts.ranks) rank\(facts.ranks == 1 ? "" : "s")"
        if let count = facts.parameters { text += ", \(Figures.short(count)) parameters" }
        if let tokens = facts.trainableTokensPerEpoch {
            text += ", \(Figures.count(tokens)) trained tokens per epoch"
        }
        return text
    }

    /// The answers before and after, side by side, and what changed.
    public func ending(_ state: RunState) -> [String] {
        guard let summary = state.summary else { return [] }
        var lines: [String] = []
        for sample in state.samples where sample.when == .after {
            lines += ["", styled("> \(sample.prompt)", .bold)]
            let before = state.samples.first { $0.when == .before && $0.prompt == sample.prompt }
            if let before { lines += answer("before", before.text, .dim) }
            lines += answer("after", sample.text, .good)
        }
        if !lines.isEmpty { lines.append("") }
        if let before = summary.evalLossBefore, let after = summary.evalLossAfter {
            let text = "held-out loss \(Figures.loss(before)) -> \(Figures.loss(after))"
            lines.append(styled(text, .bold))
        }
        let duration = Figures.duration(summary.seconds)
        lines.append(
            "\(summary.steps) steps in \(duration)"
                + (summary.path.map { ", model in \($0)" } ?? ""))
        return lines
    }

    private func answer(_ label: String, _ text: String, _ style: Line.Style) -> [String] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let indent = String(repeating: " ", count: 8)
        return lines.enumerated().map { index, line in
            let start = index == 0 ? label + String(repeating: " ", count: 8 - label.count) : indent
            return styled(start, .dim) + styled(Self.printable(line), style)
        }
    }

    /// What a model says must not steer the terminal.
    static func printable(_ text: some StringProtocol) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
    }

    private func styled(_ text: String, _ style: Line.Style) -> String {
        hasColour && style != .plain ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }
}
