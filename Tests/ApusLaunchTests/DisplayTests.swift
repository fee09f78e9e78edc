import Testing

@testable import ApusLaunch

@Suite struct FigureTests {
    @Test(arguments: [
        (0.0, "0"), (2e-5, "2.00e-05"), (0.001, "1.00e-03"), (9.999e-4, "1.00e-03"),
        (3.0, "3.00e+00"),
    ])
    func learningRates(_ value: Double, _ text: String) {
        #expect(Figures.learningRate(value) == text)
    }

    @Test(arguments: [
        (1.23456, "1.2346"), (12.3456, "12.35"), (123.456, "123.5"), (.nan, "nan"),
        (.infinity, "inf"),
    ])
    func losses(_ value: Double, _ text: String) { #expect(Figures.loss(value) == text) }

    @Test(arguments: [
        (0, "0 s"), (59.4, "59 s"), (60, "1:00"), (125, "2:05"), (3725, "1:02:05"),
        (190_000, "2 d 4 h"), (.infinity, "?"),
    ])
    func durations(_ seconds: Double, _ text: String) { #expect(Figures.duration(seconds) == text) }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")])
    func counts(_ value: Int, _ text: String) { #expect(Figures.count(value) == text) }

    @Test func memoryPerRank() {
        let gibibyte = 1 << 30
        #expect(Figures.memory([]) == nil)
        #expect(Figures.memory([gibibyte]) == "1.0 GiB")
        #expect(Figures.memory([gibibyte, gibibyte]) == "2 x 1.0 GiB")
        #expect(Figures.memory([gibibyte, 2 * gibibyte]) == "1.0 GiB + 2.0 GiB")
        let five = (1...5).map { $0 * gibibyte }
        #expect(Figures.memory(five) == "1.0 GiB to 5.0 GiB per rank")
    }
}

@Suite struct PanelTests {
    private func state(step: Int = 50) -> RunState {
        var state = RunState()
        state.apply(.phase(name: "training", detail: nil))
        state.apply(
            .start(.init(steps: 200, ranks: 2, parameters: 134_515_008, trainableTokensPerEpoch: 9))
        )
        for number in 1...step {
            state.apply(
                .step(
                    .init(
                        step: number, epoch: Double(number) / 100, loss: 4 - Double(number) / 20,
                        learningRate: 2e-5, gradNorm: 0.5, tokens: 1, tokensPerSecond: 3412.4,
                        stepSeconds: 0.5, memoryBytesPerRank: [1 << 30, 1 << 30])))
        }
        return state
    }

    private func lines(_ columns: Int, colour: Bool = false) -> [String] {
        let style = TerminalStyle(columns: columns, hasColour: colour)
        return Panel(title: "r.yaml", style: style).lines(state(), elapsed: 65)
            .map { $0.text(hasColour: colour) }
    }

    @Test func everythingThatMattersIsThere() {
        let text = lines(120)
        #expect(text[0] == "r.yaml  2 ranks  134.5 M parameters  training  1:05")
        #expect(text[1].hasPrefix(String(repeating: "█", count: 12) + "·"))
        #expect(text[1].hasSuffix("  step 50/200  epoch 0.50  1:15 left"))
        #expect(
            text[2]
                == "loss 1.5000  lr 2.00e-05  grad norm 0.5000  3,412 tokens/s  memory 2 x 1.0 GiB")
        #expect(text[3].hasPrefix("█") && text[3].hasSuffix("▁  loss"))
    }

    @Test(arguments: [10, 20, 40, 60, 80, 200])
    func noLineIsWiderThanTheTerminal(_ columns: Int) {
        for line in lines(columns) { #expect(line.count <= columns) }
    }

    @Test func narrowTerminalsGetTwoLinesOfFigures() {
        let text = lines(60)
        #expect(text[2] == "loss 1.5000  lr 2.00e-05  grad norm 0.5000")
        #expect(text[3] == "3,412 tokens/s  memory 2 x 1.0 GiB")
    }

    @Test func colourIsOnlyUsedWhereWanted() {
        #expect(!lines(80).joined().contains("\u{1B}"))
        #expect(lines(80, colour: true).joined().contains("\u{1B}[1mr.yaml\u{1B}[0m"))
    }

    @Test func beforeTheFirstStepThePhaseIsShown() {
        var state = RunState()
        state.apply(.phase(name: "loading model", detail: "SmolLM2"))
        let style = TerminalStyle(columns: 80, hasColour: false)
        let lines = Panel(title: "r", style: style).lines(state, elapsed: 1)
        #expect(lines.map { $0.text(hasColour: false) } == ["r  loading model: SmolLM2  1 s"])
        #expect(state.place == "while loading model")
    }

    @Test func curvesScaleBetweenTheirExtremes() {
        #expect(Sparkline.text([], width: 8) == "")
        #expect(Sparkline.text([1, 1], width: 8) == "▁▁")
        #expect(Sparkline.text([0, 1, 2, 3, 4, 5, 6, 7], width: 8) == "▁▂▃▄▅▆▇█")
        #expect(Sparkline.text([.nan, 0, 7], width: 8) == "▁█")
        #expect(Sparkline.text(Array(repeating: 1, count: 1000), width: 10).count == 10)
    }

    @Test func longRunsKeepABoundedHistory() {
        #expect(state(step: 5000).losses.count == RunState.keptLosses)
    }
}

@Suite struct MessageTests {
    private let messages = Messages(hasColour: false)

    @Test func plainLinesHaveTheSameFigures() {
        var state = RunState()
        state.apply(.start(.init(steps: 4, ranks: 1)))
        let step = TrainingEvent.StepFacts(
            step: 1, epoch: 0.25, loss: 2.5, learningRate: 1e-3, gradNorm: 12.5, tokens: 5,
            tokensPerSecond: 99.6, stepSeconds: 2, memoryBytesPerRank: [1 << 29])
        state.apply(.step(step))
        let expected =
            "step 1/4  epoch 0.25  loss 2.5000  lr 1.00e-03  grad norm 12.50  100 tokens/s  "
            + "memory 512 MiB  6 s left"
        #expect(messages.step(step, state) == expected)
    }

    @Test func theEndShowsAnswersBeforeAndAfter() {
        var state = RunState()
        state.apply(.sample(.init(when: .before, prompt: "Who?", text: "A swallow.\nMaybe.")))
        state.apply(.sample(.init(when: .after, prompt: "Who?", text: "A swift.\u{1B}[2J")))
        state.apply(
            .done(.init(steps: 4, seconds: 61, evalLossBefore: 3, evalLossAfter: 2, path: "out")))
        let expected = [
            "", "> Who?", "before  A swallow.", "        Maybe.", "after   A swift. [2J", "",
            "held-out loss 3.0000 -> 2.0000", "4 steps in 1:01, model in out",
        ]
        #expect(messages.ending(state) == expected)
    }

    @Test func aRunThatDidNotFinishHasNoSummary() {
        #expect(messages.ending(RunState()).isEmpty)
    }
}

@Suite struct EventTests {
    @Test func everyEventIsUnderstood() throws {
        let step = try TrainingEvent(
            line: """
                {"event": "step", "step": 3, "epoch": 0.5, "loss": 2, "learning_rate": 1e-4, \
                "grad_norm": 1.5, "tokens": 10, "tokens_per_second": 5.5, "step_seconds": 0.1, \
                "peak_memory_bytes": 7, "memory_bytes_per_rank": [7, 6]}
                """)
        #expect(
            step
                == .step(
                    .init(
                        step: 3, epoch: 0.5, loss: 2, learningRate: 1e-4, gradNorm: 1.5, tokens: 10,
                        tokensPerSecond: 5.5, stepSeconds: 0.1, memoryBytesPerRank: [7, 6])))
        #expect(
            try TrainingEvent(line: #"{"event": "eval", "step": 3, "eval_loss": 1.5}"#)
                == .evaluation(step: 3, loss: 1.5))
        #expect(
            try TrainingEvent(line: #"{"event": "error", "rank": 1, "message": "no"}"#)
                == .error(rank: 1, message: "no"))
        #expect(
            try TrainingEvent(line: #"{"event": "done", "steps": 3, "seconds": 2.5}"#)
                == .done(.init(steps: 3, seconds: 2.5)))
        #expect(
            try TrainingEvent(line: #"{"event": "phase", "name": "saving"}"#)
                == .phase(name: "saving", detail: nil))
    }

    @Test(arguments: [
        "", "hello", "[]", "{}", #"{"event": "dance"}"#, #"{"event": "step", "step": 1}"#,
        #"{"event": 5}"#, #"{"event": "done"}"#,
    ])
    func otherLinesAreRefused(_ line: String) {
        #expect(throws: EventError.self) { try TrainingEvent(line: line) }
    }

    @Test func aLossThatIsNoNumberIsShown() throws {
        let event = try TrainingEvent(line: #"{"event": "step", "step": 1, "loss": NaN}"#)
        guard case .step(let facts) = event else {
            Issue.record("not a step")
            return
        }
        #expect(facts.loss.isNaN)
        #expect(Messages(hasColour: false).step(facts, RunState()) == "step 1  loss nan")
    }

    @Test func linesAreCutAtTheirEnds() {
        var buffer = LineBuffer()
        #expect(buffer.append(Array("one\ntw".utf8)[...]) == ["one"])
        #expect(buffer.append(Array("o\n\nthree".utf8)[...]) == ["two", ""])
        #expect(buffer.finish() == ["three"])
        #expect(buffer.finish() == [])
    }
}
