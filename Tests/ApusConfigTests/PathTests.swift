import ApusConfig
import FileTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Paths are relative to the current directory, else to the recipe's folder.
@Suite struct PathTests {
    @Test func pathsBesideTheRecipeAreFound() throws {
        try withFolder { folder in
            write("{}", to: folder + "/data.jsonl")
            write("{{ messages }}", to: folder + "/chat.jinja")
            let text = """
                base_model: /dev/null
                learning_rate: 1
                datasets: [{path: data.jsonl, type: chat_template}]
                chat_template: jinja
                chat_template_jinja: chat.jinja
                """
            write(text, to: folder + "/r.yaml")
            let resolved = try ResolvedRecipe.load(path: folder + "/r.yaml", machine: machine)
            #expect(resolved.recipe.data.datasets[0].path == folder + "/data.jsonl")
            #expect(resolved.recipe.data.datasets[0].fileType == .json)
            #expect(resolved.recipe.data.chatTemplateJinja == "{{ messages }}")
            let origin = resolved.origin(of: "datasets.0.path").text
            #expect(origin == "\(folder)/r.yaml:3 (found beside the recipe)")
        }
    }

    @Test func foldersAndPatternsLetEachFileTellHowItStoresSamples() throws {
        try withFolder { folder in
            write("{}", to: folder + "/data.jsonl")
            for path in [folder, folder + "/*.jsonl"] {
                let text = """
                    base_model: /dev/null
                    learning_rate: 1
                    datasets: [{path: "\(path)", type: chat_template}]
                    """
                let dataset = try load(text).recipe.data.datasets[0]
                #expect(dataset.path == path)
                #expect(dataset.fileType == nil)
            }
            let none = "datasets.0.path=\(folder)/*.csv"
            #expect(refusal(minimal, set: [none]).contains("no file or folder"))
        }
    }

    @Test func missingFilesAreNamed() throws {
        let message = refusal(
            minimal.replacingOccurrence(of: "  - path: /dev/null", with: "  - path: no/such.jsonl"))
        #expect(
            message.contains("r.yaml:3:11: 'datasets.0.path': no file or folder 'no/such.jsonl'"))
    }

    @Test func anUnreadableRecipeIsAFileError() {
        #expect(throws: (any Error).self) {
            try ResolvedRecipe.load(path: "/no/such/recipe.yaml", machine: machine)
        }
    }

    @Test func aBinaryFileIsNoRecipe() throws {
        try withFolder { folder in
            let file = fopen(folder + "/r.yaml", "wb")
            fwrite([0xFF, 0xFE, 0x00] as [UInt8], 1, 3, file)
            fclose(file)
            #expect(throws: (any Error).self) {
                try ResolvedRecipe.load(path: folder + "/r.yaml", machine: machine)
            }
        }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = try TemporaryFolder()
        try body(folder.path)
    }

    private func write(_ text: String, to path: String) {
        let file = fopen(path, "wb")
        fputs(text, file)
        fclose(file)
    }
}
