#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Finds programs as a shell would.
public enum ProgramSearch {
    /// The file of a program that somebody typed: a path if it has a slash, else from PATH.
    public static func find(_ name: String, searchPath: String?) throws(LaunchError) -> String {
        if name.contains("/") {
            guard access(name, F_OK) == 0 else {
                throw LaunchError("no program \(name)", remedy: "check the path")
            }
            guard isProgram(name) else {
                throw LaunchError(
                    "\(name) is not executable", remedy: "make it so: chmod +x \(name)")
            }
            return name
        }
        if let path = search(name, searchPath) { return path }
        throw LaunchError(
            "no program '\(name)' on the PATH",
            remedy: access(name, F_OK) == 0
                ? "for the file here, write ./\(name)" : "check the name")
    }

    /// `apus-worker`: where APUS_WORKER says, beside this program, or on PATH.
    public static func worker(environment: [String: String]) throws(LaunchError) -> String {
        if let path = environment["APUS_WORKER"], !path.isEmpty {
            guard isProgram(path) else {
                throw LaunchError(
                    "no program \(path)", likelyCause: "the variable APUS_WORKER names it",
                    remedy: "unset APUS_WORKER, or make it the path of apus-worker")
            }
            return path
        }
        let beside = ownFolder.map { "\($0)/apus-worker" }
        if let beside, isProgram(beside) { return beside }
        if let path = search("apus-worker", environment["PATH"]) { return path }
        throw LaunchError(
            "no program apus-worker, which does the work that needs tensors",
            likelyCause:
                "it is neither beside this program (\(ownFolder ?? "unknown folder")) nor on "
                + "the PATH",
            remedy: "build both with 'make release', and keep them in one folder")
    }

    private static func search(_ name: String, _ searchPath: String?) -> String? {
        let folders = (searchPath ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
        return folders.lazy.map { "\($0)/\(name)" }.first(where: isProgram)
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    /// The folder of the running program's file.
    private static var ownFolder: String? {
        guard let resolved = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(resolved) }
        let path = String(cString: resolved)
        return path.lastIndex(of: "/").map { String(path[..<$0]) }
    }
}
