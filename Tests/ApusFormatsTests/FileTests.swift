import ApusBase
import ApusFormats
import FileTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct FileTests {
    @Test func anEmptyFileIsMapped() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(path: folder.write("empty", []))
        #expect(file.size == 0)
        file.release(0..<10)
    }

    @Test func missingFilesAndFoldersAreErrors() throws {
        let folder = try TemporaryFolder()
        #expect(
            failure { _ = try MappedFile(path: folder / "no") }.contains("cannot open the file"))
        #expect(failure { _ = try MappedFile(path: folder.path) }.contains("is a folder"))
        #expect(failure { _ = try MappedFile(path: "/dev/null") }.contains("is a folder or device"))
    }

    @Test func releasedPagesCanBeReadAgain() throws {
        let folder = try TemporaryFolder()
        let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        let file = try MappedFile(path: folder.write("large", content))
        file.release(5000..<90_000)
        file.release(-5..<200_000)
        #expect(file.withBytes { $0.elementsEqual(content) })
    }

    @Test func readingBeyondTheEndIsAnError() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(path: folder.write("short", [1, 2, 3]))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
        defer { buffer.deallocate() }
        #expect(
            failure { try file.read(at: 1, into: buffer) }.contains("offset 3: the file ends here"))
    }

    @Test func anUncommittedFileLeavesTheOldOne() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("f", [1])
        try OutputFile(path: path, expectedSize: 100).write(
            UnsafeRawBufferPointer(start: nil, count: 0), at: 0)
        #expect(try bytes(path) == [1])
        #expect(try FilePaths.names(in: folder.path) == ["f"])
    }

    @Test func aFullDiskIsAnErrorAndLeavesTheOldFile() throws {
        guard FilePaths.names(inExisting: "/dev").contains("full") else { return }
        let folder = try TemporaryFolder()
        let path = try folder.write("t.safetensors", [1])
        // The partial file leads to the device on which no byte fits.
        symlink("/dev/full", path + ".partial")
        let error = #expect(throws: FileError.self) {
            let tensors = [SafetensorsWriter.Tensor("t", .f32, shape: [4])]
            _ = try SafetensorsWriter(path: path, tensors: tensors)
        }
        #expect(error?.likelyCause?.contains("the disk or the user's quota is full") == true)
        #expect(try bytes(path) == [1])
        #expect(try FilePaths.names(in: folder.path) == ["t.safetensors"])
    }

    @Test func twoWritersOfOneFileDoNotMix() throws {
        let folder = try TemporaryFolder()
        let first = try OutputFile(path: folder / "f")
        let problem = failure { _ = try OutputFile(path: folder / "f") }
        #expect(problem.contains("another process is writing this file"))
        try first.commit()
        #expect(try bytes(folder / "f") == [])
    }

    @Test func whatAKilledRunLeftIsOverwritten() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write("f.partial", [1, 2, 3])
        try OutputFile.write("a", to: folder / "f")
        #expect(try bytes(folder / "f") == [0x61])
        #expect(try FilePaths.names(in: folder.path) == ["f"])
    }

    @Test func aFolderThatIsMissingIsNamed() throws {
        let folder = try TemporaryFolder()
        #expect(
            failure { _ = try OutputFile(path: folder / "no/f") }.contains("cannot create the file")
        )
    }

    @Test func paths() {
        #expect(FilePaths.join("a", "b") == "a/b")
        #expect(FilePaths.join("a/", "b") == "a/b")
        #expect(FilePaths.join("a", "/b") == "/b")
        #expect(FilePaths.folder(of: "a/b/c") == "a/b")
        #expect(FilePaths.folder(of: "/c") == "/")
        #expect(FilePaths.folder(of: "c") == ".")
        #expect(FilePaths.name(of: "a/b/c.gguf") == "c.gguf")
    }
}

extension FilePaths {
    static func names(inExisting folder: String) -> [String] { (try? names(in: folder)) ?? [] }
}
