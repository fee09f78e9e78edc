import ApusBase
import ApusConfig
import ApusData
import ApusFormats
import ApusLaunch
import ApusTokenizer
import ArgumentParser

struct DataVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look at the data of a recipe.", subcommands: [Preview.self])

    struct Preview: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show samples as the model will see them, and what becomes of the rest.")

        @OptionGroup var recipe: RecipeOptions

        @Option(help: "Samples to show.")
        var samples = 3

        @Option(help: "The first sample to show, from 1.")
        var from = 1

        func validate() throws {
            if samples < 0 || from < 1 {
                throw ValidationError("--samples must be at least 0, --from at least 1.")
            }
        }

        func run() throws {
            try reporting {
                let recipe = try recipe.load().recipe
                let model = try PreviewedModel(modelFolder(recipe.model.baseModel))
                let dataset = try Dataset.load(
                    recipe.data.datasets.map(\.source), encoder: model.tokenizer,
                    renderer: try recipe.chatRenderer(model.tokenizer),
                    options: recipe.datasetOptions(vocabularySize: model.vocabularySize))
                let page = PreviewPage(
                    preview: DataPreview(dataset, stopIDs: model.stopIDs), model: model,
                    recipe: recipe, hasColour: Terminal.standardOutput().hasColour)
                let last = min(from - 1 + samples, dataset.samples.count)
                page.print(samples: min(from - 1, last)..<last)
            }
        }
    }
}

/// What a preview needs of the model: no weights.
struct PreviewedModel {
    let tokenizer: Tokenizer
    let vocabularySize: Int?
    /// At which generation ends.
    let stopIDs: Set<Int32>

    init(_ path: String) throws {
        if path.hasSuffix(".gguf") {
            let file = try GGUFFile(path: path)
            tokenizer = try Tokenizer(gguf: file)
            vocabularySize = file.entry("token_embd.weight")?.shape.first
            stopIDs = Set([tokenizer.endOfTextID].compactMap { $0 })
            return
        }
        tokenizer = try Tokenizer(folder: path)
        vocabularySize = try Self.json(path, "config.json")?["vocab_size"]?.intValue
        let stop = try Self.json(path, "generation_config.json")?["eos_token_id"]
        let ids = (stop?.arrayValue ?? [stop].compactMap { $0 }).compactMap(\.intValue)
        let own = tokenizer.endOfTextID.map { [$0] } ?? []
        stopIDs = Set(ids.compactMap { Int32(exactly: $0) } + own)
    }

    private static func json(_ folder: String, _ name: String) throws -> JSON? {
        let path = FilePaths.join(folder, name)
        guard FilePaths.isFile(path) else { return nil }
        let parsed = try MappedFile(path: path).withBytes { raw in
            Result { () throws(JSONSyntaxError) in try JSON.parse(raw) }
        }
        switch parsed {
        case .success(let json): return json
        case .failure(let fault):
            throw FileError(path, at: .offset(fault.offset), "not valid JSON: \(fault.problem)")
        }
    }
}

/// What is printed.
struct PreviewPage {
    let preview: DataPreview
    let model: PreviewedModel
    let recipe: Recipe
    let hasColour: Bool

    private var report: DataReport { preview.dataset.report }

    func print(samples: Range<Int>) {
        for index in samples { show(index) }
        showLengths()
        line("tokens", "\(report.tokens), \(share(report.trainedTokens, report.tokens)) trained")
        line("samples", "\(report.samples) of \(report.records) records")
        showPacking()
        showExclusions()
        showStop()
    }

    /// Trained text is green; without colours it stands in ⟦brackets⟧.
    private func show(_ index: Int) {
        let sample = preview.dataset.samples[index]
        let figures = "\(sample.count) tokens, \(sample.trainedCount) trained"
        write(styled("sample \(index + 1)", "1") + "  \(figures)\n")
        for piece in preview.pieces(of: index, model.tokenizer) {
            let text = piece.text.split(separator: "\n", omittingEmptySubsequences: false)
                .joined(separator: "↵\n")
            let isBracketed = piece.isTrained && !hasColour
            let shown = isBracketed ? "⟦\(text)⟧" : text
            // Each line on its own, so that a pager keeps the colour.
            let lines = shown.split(separator: "\n", omittingEmptySubsequences: false)
            write(lines.map { styled(String($0), piece.isTrained ? "32" : "2") }
                .joined(separator: "\n"))
        }
        write("\n\n")
    }

    private func showLengths() {
        let lengths = preview.lengths()
        let most = lengths.map(\.samples).max() ?? 0
        let width = lengths.last.map { "\($0.range.upperBound)".count } ?? 0
        func right(_ number: Int) -> String {
            let text = "\(number)"
            return String(repeating: " ", count: max(0, width - text.count)) + text
        }
        write(styled("length", "1") + "\n")
        for (range, samples) in lengths {
            // Anything is at least a sliver.
            let eighths = samples == 0 ? 0 : max(1, samples * 320 / max(most, 1))
            let bar = String(repeating: "█", count: eighths / 8)
            let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
            let label = "\(right(range.lowerBound))-\(right(range.upperBound))"
            write("  \(label)  \(styled(bar + rest, "36")) \(samples)\n")
        }
        write("\n")
    }

    private func showPacking() {
        guard recipe.data.samplePacking else { return }
        let batches = TrainingBatches(
            preview.dataset.samples, recipe.packingOptions, rank: 0, worldSize: 1)
        let full = (1000 * batches.packingEfficiency).rounded() / 10
        let rows = "\(batches.rowsPerEpoch) rows of \(recipe.data.sequenceLength)"
        line("packed", "\(rows), \(full) % full")
    }

    private func showExclusions() {
        let dropped = DataReport.DropReason.allCases.map { reason in
            ("dropped, \(reason.rawValue)", report.dropped[reason] ?? 0)
        }
        let figures = dropped + [("truncated", report.truncated), ("split", report.split)]
        for (name, count) in figures where count > 0 {
            line(name, "\(count) records")
        }
        for exclusion in preview.dataset.exclusions { write("  \(exclusion)\n") }
    }

    private func showStop() {
        guard let stopping = preview.samplesThatStop else {
            line("stop token", styled("none is known: the model would never end", "31"))
            return
        }
        let names = model.stopIDs.sorted().map { model.tokenizer.token(of: $0) ?? "\($0)" }
        let text = "\(names.joined(separator: ", ")): trained in \(stopping) of "
            + "\(report.samples) samples"
        line("stop token", styled(text, stopping == report.samples ? "32" : "31"))
        if stopping == 0 {
            write("  nothing teaches the model to end: check the template and its end of turn\n")
        }
    }

    private func line(_ label: String, _ value: String) {
        write(styled(label, "1") + "  " + value + "\n")
    }

    private func share(_ part: Int, _ whole: Int) -> String {
        whole == 0 ? "0 %" : "\((1000 * Double(part) / Double(whole)).rounded() / 10) %"
    }

    private func styled(_ text: String, _ code: String) -> String {
        hasColour && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    private func write(_ text: String) { Terminal.write(text) }
}
