#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A job of real processes: each is `apus-comm-probe` as one rank.
struct Probe {
    struct Outcome {
        let rank: Int
        /// The exit status, or minus the signal.
        let code: Int32
        let output: String
        /// What its groups wrote about themselves when they failed; empty where none did.
        let record: String
    }

    var worldSize: Int
    var backend = "auto"
    var timeoutSeconds = 20
    var port = freePort()
    /// The ranks to start; nil for all.
    var ranks: [Int]?
    /// Ranks of each of several pretended hosts; nil for one host.
    var localSize: Int?
    var variables: [String: String] = [:]

    /// Starts the ranks, waits for all and returns how each ended.
    func run(_ arguments: String...) throws -> [Outcome] {
        let folder = try temporaryFolder()
        defer { removeFolder(folder) }
        let ranks = ranks ?? Array(0..<worldSize)
        let processes = try ranks.enumerated().map { index, rank in
            (rank, try spawn(rank, arguments, folder: folder, output: "\(folder)/\(index)"))
        }
        return processes.enumerated().map { index, process in
            var status: Int32 = 0
            waitpid(process.1, &status, 0)
            let signal = status & 0x7f
            let code = signal == 0 ? status >> 8 & 0xff : -signal
            return Outcome(
                rank: process.0, code: code, output: readText("\(folder)/\(index)"),
                record: readText("\(folder)/flight-record-rank-\(process.0).txt"))
        }
    }

    private func spawn(
        _ rank: Int, _ arguments: [String], folder: String, output: String
    ) throws -> pid_t {
        var environment = variables.merging([
            "RANK": "\(rank)", "WORLD_SIZE": "\(worldSize)", "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "\(port)", "APUS_COMM_BACKEND": backend, "OMP_NUM_THREADS": "1",
            "APUS_COMM_TIMEOUT": "\(timeoutSeconds)", "APUS_FLIGHT_RECORDS": folder,
        ]) { own, _ in own }
        if let localSize {
            environment["LOCAL_WORLD_SIZE"] = "\(localSize)"
            environment["LOCAL_RANK"] = "\(rank % localSize)"
        }
        for name in ["PATH", "LD_LIBRARY_PATH", "HOME"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(
            &actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        let path = programFolder() + "/apus-comm-probe"
        var process = pid_t()
        let failure = withCStrings([path] + arguments) { arguments in
            withCStrings(environment.map { "\($0)=\($1)" }) { environment in
                posix_spawn(&process, path, &actions, nil, arguments, environment)
            }
        }
        guard failure == 0 else { throw SpawnFailure(path: path, error: failure) }
        return process
    }
}

struct SpawnFailure: Error {
    let path: String
    let error: Int32
}

/// A TCP port that nobody listens on now.
func freePort() -> Int {
    let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(handle) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            _ = bind(handle, generic, size)
            _ = getsockname(handle, generic, &size)
        }
    }
    return Int(UInt16(bigEndian: address.sin_port))
}

private func programFolder() -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let bytes = buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }
    let path = String(decoding: bytes, as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
}

private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let copies = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return body(copies)
}

private func temporaryFolder() throws -> String {
    var template = Array("/tmp/apus-comm-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SpawnFailure(path: "/tmp", error: errno) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func removeFolder(_ folder: String) {
    for index in 0..<64 {
        unlink("\(folder)/\(index)")
        unlink("\(folder)/flight-record-rank-\(index).txt")
    }
    rmdir(folder)
}

private func readText(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var text: [UInt8] = []
    while case let byte = getc(file), byte != EOF { text.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: text, as: UTF8.self)
}
