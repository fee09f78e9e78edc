internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Files for tokens that are too many for memory. They have no name any more once they are read, so
/// that a run leaves nothing behind, however it ends.
final class TokenSpill {
    private let folder: String
    private let ids: OutputFile
    private let labels: OutputFile
    private var count = 0

    init(folder: String) throws(FileError) {
        self.folder = folder
        try FilePaths.createFolder(folder)
        ids = try OutputFile(path: Self.path(folder, "ids"))
        labels = try OutputFile(path: Self.path(folder, "labels"))
    }

    private static func path(_ folder: String, _ name: String) -> String {
        FilePaths.join(folder, ".tokens-\(name).\(getpid())")
    }

    func append(_ table: TokenTable) throws(FileError) {
        let all = 0..<table.count
        let offset = 4 * count
        try table.withIDs(all) { part throws(FileError) in
            try ids.write(UnsafeRawBufferPointer(part), at: offset)
        }
        try table.withLabels(all) { part throws(FileError) in
            try labels.write(UnsafeRawBufferPointer(part), at: offset)
        }
        count += table.count
    }

    func finish() throws(FileError) -> TokenTable {
        .mapped(ids: try mapped(ids), labels: try mapped(labels))
    }

    private func mapped(_ output: OutputFile) throws(FileError) -> TokenTable.MappedTokens {
        try output.commit()
        let file = try MappedFile(path: output.path)
        try FilePaths.remove(output.path)
        return TokenTable.MappedTokens(file, count: count)
    }
}
