import ApusBase
import ApusCheckpoint
import ApusExport
import ApusFormats
import ApusLaunch
import ArgumentParser

extension CheckpointVerb {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the weights as a HuggingFace folder or a GGUF file.",
            discussion: "Also from a checkpoint of DeepSpeed or Accelerate, with --model.")

        enum Target: String, ExpressibleByArgument, CaseIterable { case hf, gguf }
        enum Precision: String, ExpressibleByArgument, CaseIterable {
            case fp32, bf16, fp16

            var dtype: DType {
                switch self {
                case .fp32: .float32
                case .bf16: .bfloat16
                case .fp16: .float16
                }
            }
        }

        @OptionGroup var place: CheckpointPlace

        @Argument(help: "The folder, or file, to write, which is not there yet.")
        var out: String

        @Option(help: "The format.")
        var to = Target.hf

        @Option(help: "hf: what the weights are rounded to (default: bf16).")
        var dtype: Precision?

        @Option(
            help: ArgumentHelp(
                "hf: the largest file (default: \(ByteSize(bytes: Self.shardBytes))).",
                valueName: "size"))
        var maxShardSize: ByteSize?

        @Option(help: "gguf: how matrices are stored (default: f16).")
        var type: GGUFElement?

        @Option(help: ArgumentHelp("A folder with config.json and tokenizer.", valueName: "dir"))
        var model: String?

        private static let shardBytes = HuggingFaceExport.defaultShardBytes

        func validate() throws {
            switch to {
            case .hf:
                if type != nil { throw ValidationError("--type is for --to gguf.") }
            case .gguf:
                if dtype != nil { throw ValidationError("--dtype is for --to hf; use --type.") }
                if maxShardSize != nil { throw ValidationError("--max-shard-size is for --to hf.") }
            }
        }

        func run() throws {
            try reporting {
                if let path = try place.own() {
                    try write(Checkpoint(path: path))
                } else {
                    let foreign = try ForeignState.open(place.checkpoint)
                    try write(foreign)
                    for note in foreign.notes { print("note: \(note)") }
                }
            }
        }

        private func write(_ state: any StateSource) throws {
            switch to {
            case .hf: try writeFolder(state)
            case .gguf: try writeGGUF(state)
            }
        }

        private func writeFolder(_ state: any StateSource) throws {
            var export = HuggingFaceExport()
            export.dtype = (dtype ?? .bf16).dtype
            export.maximumShardBytes = maxShardSize?.bytes ?? Self.shardBytes
            let own = try (state as? Checkpoint).map(ModelDocuments.of)
            let documents = try model.map(ModelDocuments.inFolder) ?? own
            try export.write(
                state, documents: documents ?? ModelDocuments.inFolder(state.path), to: out)
            print("\(out): written and read back")
        }

        private func writeGGUF(_ state: any StateSource) throws {
            guard !FilePaths.isFile(out), !FilePaths.isFolder(out) else {
                throw FileError(out, "is there already", remedy: "name a file that is not there")
            }
            let export = try GGUFExport(
                folder: model ?? state.path, element: type ?? .f16, weights: StateWeights(state))
            for remark in export.remarks { Terminal.writeError("note: \(remark)\n") }
            try export.write(to: out)
            print("\(out): written")
        }
    }
}
