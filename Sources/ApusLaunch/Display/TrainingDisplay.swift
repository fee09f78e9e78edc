import ApusBase
internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Shows a training run: a live panel on a terminal, plain lines elsewhere.
public final class TrainingDisplay: LaunchObserver {
    public private(set) var state = RunState()

    private let title: String
    private let loggingSteps: Int
    private let recorder: EventRecorder?
    private let messages: Messages
    private let isLive: Bool
    private let begin = ContinuousClock.now
    private var columns: Int
    private var shownPhases: Set<String> = []
    /// The widths of the panel's lines on the screen.
    private var drawn: [Int] = []
    private var lastDrawing = ContinuousClock.now - .seconds(1)

    /// - Parameter loggingSteps: steps between plain lines.
    public init(title: String, loggingSteps: Int, recorder: EventRecorder?, terminal: Terminal) {
        self.title = title
        self.loggingSteps = loggingSteps
        self.recorder = recorder
        messages = Messages(hasColour: terminal.hasColour)
        isLive = terminal.isLive
        columns = terminal.columns
        if isLive { Terminal.write("\u{1B}[?25l") }
    }

    /// Lines that stay, from the launcher itself.
    public func announce(_ lines: [String]) { show(lines) }

    public func printed(_ line: String, byRank rank: Int, to stream: OutputStream) {
        show(["[\(rank)] \(line)"])
    }

    public func reported(_ line: String) {
        let parsed = Result { () throws(EventError) in try TrainingEvent(line: line) }
        recorder?.record(line, try? parsed.get())
        do {
            let event = try parsed.get()
            state.apply(event)
            if case .step(let facts) = event { showStep(facts) }
            if case .phase(let name, let detail) = event { showPhase(name, detail) }
            show(messages.lines(event))
        } catch {
            show(["warning: rank 0 reported something that is no event (\(error)): \(line)"])
        }
    }

    public func isEnding(_ outcome: Supervision.Outcome) {
        let text =
            switch outcome {
            case .succeeded, .stopped: "ending"
            case .failed(let culprit):
                "rank \(culprit.rank) \(culprit.status.words), ending the others"
            case .interrupted(_, wasForced: false): "stopping; once more kills"
            case .interrupted(_, wasForced: true): "killing"
            }
        guard state.ending != text else { return }
        state.ending = text
        if isLive { draw(force: true) } else { show([text]) }
    }

    public func tick() { draw(force: false) }

    public func resized() {
        columns = Terminal.standardOutput().columns
        erase()
        draw(force: true)
    }

    /// Takes the panel away, shows the end of the run and gives the cursor back.
    public func finish() {
        if isLive {
            erase()
            Terminal.write("\u{1B}[?25h")
        }
        for line in messages.ending(state) { Terminal.write(line + "\n") }
    }

    /// Each phase once, on plain output: evaluations come back again and again.
    private func showPhase(_ name: String, _ detail: String?) {
        guard !isLive, shownPhases.insert(name).inserted else { return }
        show([name + (detail.map { ": \($0)" } ?? "")])
    }

    private func showStep(_ facts: TrainingEvent.StepFacts) {
        if isLive {
            draw(force: false)
        } else if facts.step % loggingSteps == 0 || facts.step == state.facts?.steps {
            show([messages.step(facts, state)])
        }
    }

    /// Lasting lines: above the panel.
    private func show(_ lines: [String]) {
        guard !lines.isEmpty else { return }
        erase()
        Terminal.write(lines.map { $0 + "\n" }.joined())
        draw(force: true)
    }

    private func erase() {
        guard isLive, !drawn.isEmpty else { return }
        Terminal.write("\r\u{1B}[\(drawnRows)A\u{1B}[J")
        drawn = []
    }

    /// Rows that the panel takes; lines wrap when the terminal becomes narrower.
    private var drawnRows: Int {
        drawn.reduce(0) { $0 + max(1, ($1 + columns - 1) / columns) }
    }

    /// At most ten times a second: steps may be faster than anybody can read.
    private func draw(force: Bool) {
        let now = ContinuousClock.now
        guard isLive, force || now - lastDrawing >= .milliseconds(100) else { return }
        lastDrawing = now
        let style = TerminalStyle(columns: columns, hasColour: messages.hasColour)
        let elapsed = (now - begin) / .seconds(1)
        let lines = Panel(title: title, style: style).lines(state, elapsed: elapsed)
        var text = drawn.isEmpty ? "" : "\r\u{1B}[\(drawnRows)A"
        for line in lines { text += line.text(hasColour: style.hasColour) + "\u{1B}[K\n" }
        if lines.count < drawn.count { text += "\u{1B}[J" }
        drawn = lines.map(\.width)
        Terminal.write(text)
    }
}
