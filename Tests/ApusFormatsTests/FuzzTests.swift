import FileFuzz
import FileTestSupport
import Testing

/// Damaged files: each is refused with an error or read, never a crash. `apus-file-fuzz` does the
/// same a million times.
@Suite struct FuzzTests {
    @Test(arguments: Subject.all.indices)
    func damagedFilesAreRefusedOrRead(number: Int) throws {
        let subject = Subject.all[number]
        let folder = try TemporaryFolder()
        let outcome = try fuzz(
            subject, goldens: golden(""), count: 300, seed: 11, scratch: folder / "copy")
        #expect(outcome.refused > 20, "\(subject.name)")
    }
}
