import ApusBase
import ApusFormats
import ApusModels
import ApusTokenizer
import ApusTrain
import ArgumentParser

/// The work of `apus adapter`.
struct Adapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The work of 'apus adapter'.", subcommands: [Merge.self, Unmerge.self])

    struct Merge: ParsableCommand {
        @OptionGroup var options: AdapterOptions

        func run() throws { try options.run(.merge) }
    }

    struct Unmerge: ParsableCommand {
        @OptionGroup var options: AdapterOptions

        func run() throws { try options.run(.unmerge) }
    }
}

struct AdapterOptions: ParsableArguments {
    enum Precision: String, ExpressibleByArgument { case fp32, bf16 }

    @Option var adapter: String
    @Option var base: String?
    @Option var output: String
    @Option var dtype: Precision?

    func run(_ direction: AdapterMerge.Direction) throws {
        do {
            try write(direction)
        } catch let error as any OperationalError {
            writeError("apus: \(error.description)\n")
            throw ExitCode(1)
        }
    }

    private func write(_ direction: AdapterMerge.Direction) throws {
        let folder = try AdapterFolder(path: adapter)
        guard let place = base ?? folder.configuration.baseModel else {
            throw AdapterError(
                summary: "\(adapter) does not tell which model it belongs to",
                remedy: "give the model with --base")
        }
        for input in [adapter, place] where FilePaths.isSame(input, output) {
            throw FileError(
                output, "is what is read: it would be overwritten",
                remedy: "give another folder with --output")
        }
        let source = try ModelSource(path: place)
        let stored = source.pretrained.configuration
        let name = (stored["dtype"] ?? stored["torch_dtype"])?.stringValue
        let isHalf = dtype.map { $0 == .bf16 } ?? (name == "bfloat16")
        try AdapterMerge(source.pretrained, folder, direction)
            .write(to: output, dtype: isHalf ? .bfloat16 : .float32)
        try source.tokenizer?.save(to: output)
        print("saved \(output)")
    }
}
