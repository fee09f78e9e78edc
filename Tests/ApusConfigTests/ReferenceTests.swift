import ApusConfig
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite struct ReferenceTests {
    /// `apus config keys` prints the table; the page must hold it word for word.
    @Test func theReferencePageListsEveryKey() throws {
        let page = try #require(readFile(packageRoot + "/Docs/recipe.md"))
        for line in RecipeReference.markdown.split(separator: "\n") {
            #expect(page.contains(line), "Docs/recipe.md lacks this line")
        }
    }

    @Test func theImportPageListsEveryKey() throws {
        let page = try #require(readFile(packageRoot + "/Docs/imports.md"))
        #expect(page.contains(RecipeReference.deepSpeedMarkdown), "Docs/imports.md: DeepSpeed")
        #expect(page.contains(RecipeReference.accelerateMarkdown), "Docs/imports.md: Accelerate")
    }

    @Test func everyKeyHasAMeaningOfOneSentence() {
        for key in RecipeReference.keys {
            #expect(key.meaning.hasSuffix("."), "\(key.path)")
            #expect(key.meaning.count < 100, "\(key.path)")
        }
        let paths = RecipeReference.keys.map(\.path)
        #expect(Set(paths).count == paths.count)
    }
}

/// The folder with Package.swift, from where this file was compiled.
let packageRoot: String = {
    var parts = #filePath.split(separator: "/")
    parts.removeLast(3)
    return "/" + parts.joined(separator: "/")
}()

func readFile(_ path: String) -> String? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}
