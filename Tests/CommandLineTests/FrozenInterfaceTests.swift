import ApusBase
import ProgramTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The verbs and options are a promise to scripts: a change must change the list in this folder
/// too.
@Suite struct FrozenInterfaceTests {
    @Test func verbsAndOptionsAreThoseOfTheList() throws {
        let dump = try Program.shell("apus --experimental-dump-help")
        let json = try JSON.parse(dump.output)
        let command = try #require(json["command"])
        var lines: [String] = []
        collect(command, "", into: &lines)
        let list = try Program.shell("cat '\(listPath)'").output
        let expected = list.split(separator: "\n").map(String.init)
        for line in lines where !expected.contains(line) {
            Issue.record("not in Docs/command-line.txt: \(line)")
        }
        for line in expected where !lines.contains(line) {
            Issue.record("no longer there: \(line)")
        }
    }

    private var listPath: String {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(folder)/Docs/command-line.txt"
    }

    /// One line per command, argument and option: `apus train --ranks <ranks>`.
    private func collect(_ command: JSON, _ parent: String, into lines: inout [String]) {
        let name = parent + (command["commandName"]?.stringValue ?? "?")
        lines.append(name)
        for argument in command["arguments"]?.arrayValue ?? [] {
            let value = argument["valueName"]?.stringValue ?? ""
            let names = argument["names"]?.arrayValue ?? []
            let spellings = names.compactMap { $0["name"]?.stringValue }
            // Every command has these two.
            if spellings.contains("help") || spellings == ["version"] { continue }
            switch argument["kind"]?.stringValue {
            case "flag": lines.append("\(name) --\(spellings.joined(separator: "|"))")
            case "option":
                lines.append("\(name) --\(spellings.joined(separator: "|")) <\(value)>")
            default: lines.append("\(name) <\(value)>")
            }
        }
        for child in command["subcommands"]?.arrayValue ?? [] {
            collect(child, name + " ", into: &lines)
        }
    }
}

/// Verbs that nobody has written.
@Suite struct MisspeltVerbTests {
    @Test(arguments: [
        ("trian r.yaml", "apus: no verb 'trian'\n    did you mean 'train'?\n"),
        ("fly", "apus: no verb 'fly'\n    the verbs are train, plan, launch, "),
    ])
    func theNearestIsSuggested(_ arguments: String, _ expected: String) throws {
        let result = try Program.shell("apus \(arguments)")
        #expect(result.exitCode == 64)
        #expect(result.output.hasPrefix(expected), "\(result.output)")
    }

    @Test(arguments: ["--version", "--help", "help train", ""])
    func theOthersStillWork(_ arguments: String) throws {
        #expect(try Program.shell("apus \(arguments)").exitCode == 0)
    }
}

/// `apus` answers at once because it links neither libtorch nor the tensor side.
@Suite struct LightnessTests {
    @Test func noTensorLibraryIsLinked() throws {
        let libraries = try Program.shell("ldd \"$APUS\"").output
        #expect(libraries.contains("libc.so"))
        // Whole names: "c10" alone may stand in an address.
        for name in ["libtorch", "libc10", "libgomp"] { #expect(!libraries.contains(name)) }
    }
}
