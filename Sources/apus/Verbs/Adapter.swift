import ArgumentParser

struct Adapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Merge an adapter into its model, or take it out again.",
        subcommands: [Merge.self, Unmerge.self])

    struct Merge: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the model with the adapter in its weights.",
            discussion: "Weights go through memory one after another.")

        @OptionGroup var options: AdapterOptions

        func run() throws { try options.run("merge") }
    }

    struct Unmerge: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take an adapter out of a merged model again.",
            discussion: """
                Exact but for the rounding of both steps. Not for DoRA, saved modules or trained \
                biases, which replace values.
                """)

        @OptionGroup var options: AdapterOptions

        func run() throws { try options.run("unmerge") }
    }
}

struct AdapterOptions: ParsableArguments {
    enum Precision: String, ExpressibleByArgument, CaseIterable { case fp32, bf16 }

    @Argument(help: "The adapter folder.")
    var adapter: String

    @Option(
        help: ArgumentHelp(
            "The model; as the adapter names it when left out.", valueName: "dir|file"))
    var base: String?

    @Option(help: ArgumentHelp("Where the model is written.", valueName: "dir"))
    var output: String

    @Option(help: "What weights are stored as: fp32 or bf16; as in the model when left out.")
    var dtype: Precision?

    func run(_ verb: String) throws {
        var arguments = ["adapter", verb, "--adapter=\(adapter)", "--output=\(output)"]
        if let base { arguments.append("--base=\(base)") }
        if let dtype { arguments.append("--dtype=\(dtype.rawValue)") }
        try reporting { try becomeWorker(arguments) }
    }
}
