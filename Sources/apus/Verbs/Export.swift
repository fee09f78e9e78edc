import ApusBase
import ApusExport
public import ApusFormats
import ApusLaunch
public import ArgumentParser

extension GGUFElement: ExpressibleByArgument {}

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a model for other programs: a GGUF file for llama.cpp and its kin.")

    enum Target: String, ExpressibleByArgument, CaseIterable { case gguf }

    @Argument(help: ArgumentHelp("A HuggingFace folder, or a model's name.", valueName: "dir|name"))
    var model: String

    @Option(help: "The form to write.")
    var to = Target.gguf

    @Option(help: "How matrices are stored.")
    var type = GGUFElement.f16

    @Argument(help: ArgumentHelp("The file to write.", valueName: "file.gguf"))
    var output: String

    func run() throws {
        try reporting {
            let export = try GGUFExport(folder: modelFolder(model), element: type)
            for remark in export.remarks { Terminal.writeError("note: \(remark)\n") }
            try export.write(to: output) { name, element in
                print("\(name)  \(element.rawValue)")
            }
        }
    }
}
