internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Keeps a second job from saving into the same folder. The system lets go of it when the process
/// ends, however it ends.
final class FolderLock {
    private let descriptor: Int32

    init(_ folder: String) throws(FileError) {
        let path = FilePaths.join(folder, CheckpointNames.lock)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw FileError.system(path, "create the file that locks the folder", code: errno)
        }
        guard lockSoon() else {
            throw FileError(
                folder, "another job saves its checkpoints here",
                likelyCause: "two runs share an output_dir, or an earlier run still ends",
                remedy: "give each run an output_dir of its own, or wait for the other to end")
        }
    }

    deinit { close(descriptor) }

    /// A process that ends, or one that it was just starting, may hold the lock a moment longer.
    private func lockSoon() -> Bool {
        for _ in 0..<20 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            usleep(50_000)
        }
        return false
    }
}
