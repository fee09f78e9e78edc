import ApusBase
import ApusCheckpoint
import ArgumentParser

/// Looks into checkpoints, checks and converts them. Nothing here needs libtorch.
struct CheckpointVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Inspect, check and convert checkpoints.",
        subcommands: [
            Inspect.self, Verify.self, Reshard.self, Export.self, Import.self,
        ])

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print what a checkpoint holds.")

        @OptionGroup var place: CheckpointPlace

        @Flag(help: "Print one JSON object.")
        var json = false

        func run() throws {
            try reporting {
                let summary = CheckpointSummary(try Checkpoint(path: place.resolved()))
                print(json ? summary.json.text() : summary.text)
            }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check that every file is what was written.")

        @OptionGroup var place: CheckpointPlace

        @Flag(help: "Check only that files are there, belong together and have their sizes.")
        var sizesOnly = false

        func run() throws {
            try reporting {
                let checkpoint = try Checkpoint(
                    path: place.resolved(), checks: sizesOnly ? .sizes : .hashes)
                let problems = checkpoint.problems()
                for problem in problems { fail(problem.description) }
                if !problems.isEmpty { throw ExitCode(1) }
                let bytes = ByteCount(checkpoint.manifest.byteCount).decimal
                let files = checkpoint.manifest.files.count
                print("\(checkpoint.path): \(files) files, \(bytes), all as written")
            }
        }
    }

    struct Reshard: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a checkpoint anew in another number of files.",
            discussion: "Resuming needs none of this: any number of ranks reads any checkpoint.")

        @OptionGroup var place: CheckpointPlace

        @Argument(help: "The folder to write, which is not there yet.")
        var out: String

        @Option(help: "How many files the state is spread over.")
        var ranks = 1

        func validate() throws {
            guard (1...9999).contains(ranks) else {
                throw ValidationError("--ranks must be from 1 to 9999.")
            }
        }

        func run() throws {
            try reporting {
                let checkpoint = try Checkpoint(path: place.resolved())
                try CheckpointConversion(resharding: checkpoint).write(to: out, parts: ranks)
                print("\(out): written in \(ranks) part\(ranks == 1 ? "" : "s")")
            }
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a checkpoint of one of DeepSpeed, Accelerate or PyTorch.",
            discussion: "Files of PyTorch are read by a reader that executes nothing of them.")

        @Argument(help: "The folder or file of the other program.")
        var source: String

        @Argument(help: "The checkpoint to write, such as out/checkpoint-500; not there yet.")
        var out: String

        @Option(help: ArgumentHelp("A folder with config.json and tokenizer.", valueName: "dir"))
        var model: String?

        func run() throws {
            try reporting {
                if let own = try CheckpointPlace.own(source) {
                    throw CheckpointError(
                        "\(own) is a checkpoint of Apus already",
                        remedy: "go on from it with 'resume: \(own)'")
                }
                let foreign = try ForeignState.open(source)
                var documents = try model.map(ModelDocuments.inFolder)
                    ?? ModelDocuments.beside(foreign.path)
                documents.append(foreign.trainerDocument)
                try CheckpointConversion(foreign, documents: documents).write(to: out, parts: 1)
                let summary = CheckpointSummary(try Checkpoint(path: out))
                print("\(foreign.origin)")
                for note in foreign.notes { print("note: \(note)") }
                print(summary.text)
            }
        }
    }
}

/// A checkpoint, or a run's folder, of which the newest is meant.
struct CheckpointPlace: ParsableArguments {
    @Argument(help: "A checkpoint, or the output_dir of a run, of which the newest is taken.")
    var checkpoint: String

    /// The path of a checkpoint of Apus, if that is what is meant.
    func own() throws -> String? { try Self.own(checkpoint) }

    static func own(_ path: String) throws -> String? {
        if Checkpoint.isCheckpoint(path) { return path }
        if try ForeignState.writer(of: path) != nil { return nil }
        return try CheckpointDirectory.newest(in: path)
    }

    /// The same where nothing else will do.
    func resolved() throws -> String {
        if let path = try own() { return path }
        guard let writer = try ForeignState.writer(of: checkpoint) else { return checkpoint }
        throw CheckpointError(
            "\(checkpoint) is a checkpoint of \(writer)",
            remedy: "make one of Apus of it: apus checkpoint import \(checkpoint) OUT")
    }
}

/// A size as people write it: `5GB`, `500MB`, `2GiB`, `1000`.
struct ByteSize: ExpressibleByArgument, CustomStringConvertible {
    let bytes: Int

    init(bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        let units = [
            ("GIB", 1 << 30), ("MIB", 1 << 20), ("KIB", 1 << 10), ("GB", 1_000_000_000),
            ("MB", 1_000_000), ("KB", 1000), ("B", 1),
        ]
        let text = argument.uppercased()
        let unit = units.first { text.hasSuffix($0.0) } ?? ("", 1)
        guard let number = Double(text.dropLast(unit.0.count)), number > 0,
            number * Double(unit.1) >= 1, number * Double(unit.1) < 1e18
        else { return nil }
        bytes = Int(number * Double(unit.1))
    }

    var description: String { ByteCount(bytes).decimal }
}
