import ApusBase
import ApusConfig
import ApusHub
import ApusLaunch
import ArgumentParser

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Runs the body of a verb: what goes wrong outside the program is a message and exit code 1, never
/// a trace.
func reporting(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as any OperationalError {
        fail(error.description)
        throw ExitCode(1)
    }
}

/// A message on standard error.
func fail(_ message: String) { Terminal.writeError("apus: \(message)\n") }

/// The environment of this process.
func currentEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let variable = entry.pointee {
        let text = String(cString: variable)
        if let sign = text.firstIndex(of: "=") {
            result[String(text[..<sign])] = String(text[text.index(after: sign)...])
        }
        entry += 1
    }
    return result
}

/// The folder of a model that is given by its path or by its name on the hub, from where it is
/// fetched unless it is in the cache.
func modelFolder(_ model: String) throws -> String {
    let showsProgress = isatty(STDERR_FILENO) == 1
    let hub = Hub(environment: currentEnvironment())
    return try hub.folder(of: model, showsProgress: showsProgress) { event in
        switch event {
        case .fetching(let file, let bytes):
            Terminal.writeError("fetching \(model)/\(file), \(ByteCount(bytes).decimal)\n")
        }
    }
}

/// Becomes `apus-worker` with these arguments.
func becomeWorker(_ arguments: [String]) throws {
    let path = try ProgramSearch.worker(environment: currentEnvironment())
    var pointers = ([path] + arguments).map { strdup($0) } + [nil]
    execv(path, &pointers)
    throw LaunchError("\(path) cannot be started: \(String(cString: strerror(errno)))")
}

extension Machine {
    var facts: MachineFacts { MachineFacts(cores: cores, bfloat16: bfloat16) }
}
