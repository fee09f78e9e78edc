import ApusBase
import ApusFormats
import ApusTokenizer

// Renders chat templates for Tools/checks/templates_agree.py, or changes them at random and renders
// what comes out:
//
//     apus-template-probe render < REQUESTS.jsonl
//     apus-template-probe fuzz COUNT SEED TEMPLATE...
//
// Requests are objects with `template`, `messages`, `tools`, `documents`, `prompt` and `variables`;
// the answers are objects with `text` and `generated`, or with `error`.

let arguments = CommandLine.arguments.dropFirst()
do {
    switch arguments.first {
    case "render":
        let renderer = try Renderer()
        while let line = readLine() { print(renderer.answer(try JSON.parse(line)).text()) }
    case "fuzz" where arguments.count > 3:
        guard let count = Int(arguments[2]), let seed = UInt64(arguments[3]) else { usage() }
        let sources = try arguments.dropFirst(3).map { path in
            try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
        }
        var fuzzer = try TemplateFuzzer(sources: sources, seed: seed)
        print(fuzzer.run(count).text())
    default: usage()
    }
} catch {
    fatalError("apus-template-probe: \(error)")
}

func usage() -> Never {
    print("apus-template-probe render | fuzz COUNT SEED TEMPLATE...")
    fatalError("apus-template-probe: wrong arguments")
}
