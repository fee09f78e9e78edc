internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Starts the ranks of a plan.
struct Spawner {
    let plan: LaunchPlan
    let inherited: [String: String]

    /// - Throws: `LaunchError` when the program cannot be started or a log cannot be opened.
    func start(localRank: Int) throws(LaunchError) -> RankProcess {
        let rank = plan.rank(localRank)
        var theirs: [Int32] = []
        defer { for descriptor in theirs { close(descriptor) } }
        let input = open("/dev/null", O_RDONLY | O_CLOEXEC)
        theirs.append(input)
        var readers: [PipeReader] = []
        var logPath: String?
        let output: Int32
        let error: Int32
        do {
            switch plan.output {
            case .files(let folder):
                let path = "\(folder)/rank-\(rank).log"
                logPath = path
                output = try openLog(path)
                error = output
                theirs.append(output)
            case .pipes:
                output = try makePipe(.output(.standardOutput), &readers)
                theirs.append(output)
                error = try makePipe(.output(.standardError), &readers)
                theirs.append(error)
            }
            var events: Int32 = -1
            if plan.wantsEvents, rank == 0 {
                events = try makePipe(.events, &readers)
                theirs.append(events)
            }
            let pid = try spawn(localRank, input, output, error, events)
            return RankProcess(rank: rank, pid: pid, readers: readers, logPath: logPath)
        } catch {
            for index in readers.indices { _ = readers[index].close() }
            throw error
        }
    }

    /// What the run before left there may say why this one is needed, so it is kept.
    private func openLog(_ path: String) throws(LaunchError) -> Int32 {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 {
            rename(path, path + ".previous")
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw LaunchError(
                "the log \(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    private func makePipe(
        _ content: PipeReader.Content, _ readers: inout [PipeReader]
    ) throws(LaunchError) -> Int32 {
        var ends: (read: Int32, write: Int32) = (-1, -1)
        let failure = apus_pipe(&ends.read, &ends.write)
        guard failure == 0 else {
            throw LaunchError(
                "no pipe to a rank: \(String(cString: strerror(failure)))",
                remedy: "raise the limit of open files: ulimit -n 4096")
        }
        readers.append(PipeReader(descriptor: ends.read, content: content))
        return ends.write
    }

    private func spawn(
        _ localRank: Int, _ input: Int32, _ output: Int32, _ error: Int32, _ events: Int32
    ) throws(LaunchError) -> Int32 {
        let environment = plan.environment(
            ofLocalRank: localRank, inherited: inherited,
            eventsDescriptor: events < 0 ? nil : Int32(APUS_EXTRA_DESCRIPTOR))
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let arguments = [plan.program] + plan.arguments
        var pid: Int32 = 0
        let failure = withCStrings(arguments) { arguments in
            withCStrings(variables) { variables in
                plan.program.withCString { path in
                    var options = apus_spawn_options(
                        path: path, arguments: arguments, environment: variables, input: input,
                        output: output, error: error, extra: events)
                    return apus_spawn(&options, &pid)
                }
            }
        }
        guard failure == 0 else {
            throw LaunchError(
                "\(plan.program) cannot be started: \(String(cString: strerror(failure)))",
                likelyCause: failure == ENOEXEC
                    ? "it is neither a program for this machine nor a script with a first line #!"
                    : nil)
        }
        return pid
    }
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer($0) } + [nil]
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
}
