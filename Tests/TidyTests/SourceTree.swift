import Foundation

/// The sources of this repository as text.
struct SourceFile: CustomStringConvertible, Sendable {
    let path: String
    let lines: [String]
    var description: String { path }

    static let root: String = {
        let path = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().path
        return String(path.dropLast("Tests/TidyTests/SourceTree.swift".count))
    }()

    /// Files below `folders` whose names end in one of `endings`; paths from the repository's root.
    static func all(in folders: [String], endings: [String]) -> [SourceFile] {
        folders.flatMap { folder -> [SourceFile] in
            let walk = FileManager.default.enumerator(atPath: root + folder)
            let names = (walk?.allObjects as? [String] ?? []).sorted()
            return names.filter { name in endings.contains { name.hasSuffix($0) } }.compactMap {
                name in
                guard
                    let text = try? String(
                        contentsOfFile: root + folder + "/" + name, encoding: .utf8)
                else { return nil }
                return SourceFile(
                    path: folder + "/" + name, lines: text.components(separatedBy: "\n"))
            }
        }
    }

    static let swift = all(in: ["Sources", "Tests"], endings: [".swift"])
    static let native = all(in: ["Sources"], endings: [".c", ".cpp", ".h", ".hpp"])

    /// The target's name, for a file below Sources.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    var isSource: Bool { path.hasPrefix("Sources/") }

    /// Lines that are neither blank nor comments.
    var codeLines: Int {
        lines.filter { line in
            let text = line.trimmingCharacters(in: .whitespaces)
            return !text.isEmpty && !text.hasPrefix("//")
        }.count
    }
}
