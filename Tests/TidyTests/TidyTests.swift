import Foundation
import Testing

/// The style of the sources, as rules that a machine can check. Numbers: Docs/style.md.
@Suite struct TidyTests {
    @Test func thereAreSources() {
        #expect(SourceFile.swift.count > 100)
        #expect(SourceFile.native.count > 10)
    }

    @Test func linesAreAtMost100Columns() {
        let long = (SourceFile.swift + SourceFile.native).flatMap { file in
            file.lines.enumerated()
                .filter { $0.element.count > 100 && !Exceptions.mayBeLong($0.element, in: file) }
                .map { "\(file):\($0.offset + 1)" }
        }
        #expect(long.isEmpty, "\(long.count) lines over 100 columns: \(long.prefix(20))")
    }

    @Test func filesAreAtMost500Lines() {
        let long = SourceFile.swift.filter {
            $0.codeLines > 500 && !Exceptions.longFiles.contains($0.path)
        }
        #expect(long.isEmpty, "over 500 lines of code: \(long)")
    }

    @Test func functionsAreAtMost70Lines() {
        let long = SourceFile.swift.filter(\.isSource).flatMap { file in
            file.functions.filter { $0.length > 70 }.map { "\(file):\($0.line) \($0.length) lines" }
        }
        #expect(long.isEmpty, "long functions: \(long)")
    }

    @Test func noWordsOfUnfinishedWork() {
        let words = ["TO" + "DO", "FIX" + "ME", "HA" + "CK"]
        let found = (SourceFile.swift + SourceFile.native).flatMap { file in
            file.lines.enumerated()
                .filter { line in words.contains { line.element.contains($0) } }
                .map { "\(file):\($0.offset + 1)" }
        }
        #expect(found.isEmpty, "\(found)")
    }

    /// Each unchecked promise says why it holds, in the comment above it.
    @Test func uncheckedSendableHasAReason() {
        let found = SourceFile.swift.filter(\.isSource).flatMap { file in
            file.lines.enumerated().compactMap { number, line -> String? in
                guard line.contains("@unchecked Sendable") else { return nil }
                let above = file.lines[max(0, number - 12)..<number]
                let isExplained = above.contains {
                    $0.trimmingCharacters(in: .whitespaces).hasPrefix("//")
                }
                return isExplained ? nil : "\(file):\(number + 1)"
            }
        }
        #expect(found.isEmpty, "\(found)")
    }
}

/// What is allowed to be otherwise, with the reason.
enum Exceptions {
    /// Tables made by scripts.
    static func mayBeLong(_ line: String, in file: SourceFile) -> Bool {
        file.path.contains("/Unicode/") || line.contains("\"\"\"") || line.contains("http")
    }

    static let longFiles: Set<String> = []
}

extension SourceFile {
    struct Function {
        var line: Int
        var length: Int
    }

    /// Functions by the indentation of their first line and of their closing brace.
    var functions: [Function] {
        var found: [Function] = []
        for (number, line) in lines.enumerated() {
            let indent = line.prefix { $0 == " " }
            let words = line.split(separator: " ")
            guard words.contains(where: { $0 == "func" || $0.hasPrefix("init(") }) else { continue }
            guard !line.contains("//") else { continue }
            let end = lines[number...].firstIndex {
                $0 == indent + "}" || ($0.hasPrefix(indent + "}") && $0.count <= indent.count + 2)
            }
            let isOneLine = line.hasSuffix("}")
            if let end, !isOneLine {
                found.append(Function(line: number + 1, length: end - number + 1))
            }
        }
        return found
    }
}
