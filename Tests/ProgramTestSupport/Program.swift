internal import Testing

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The built `apus`, run as a user runs it.
public enum Program {
    /// Beside the program that runs the tests.
    public static let path: String = {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") }
        let program = bundle ?? CommandLine.arguments[0]
        let folder = program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return folder.joined(separator: "/") + "/apus"
    }()

    public struct Result: Sendable {
        public let output: String
        public let exitCode: Int32
    }

    /// Runs a line of shell in which `apus` is the program; output and errors together.
    public static func shell(_ line: String) throws -> Result {
        let quoted = "apus() { \"\(path)\" \"$@\"; }; export APUS=\"\(path)\"; "
        // Threads of a test run may have signals blocked, and programs inherit that.
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let pipe = try #require(popen("exec 2>&1 </dev/null; \(quoted)\(line)", "re"))
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, pipe)
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        let status = pclose(pipe)
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
        return Result(output: String(decoding: bytes, as: UTF8.self), exitCode: code)
    }
}

/// A folder for one test.
public struct Scratch: ~Copyable {
    public let path: String

    public init() throws {
        var template = Array("/tmp/apus-cli-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    /// Writes an executable script, or any other file.
    public func write(_ name: String, _ text: String) {
        let file = fopen("\(path)/\(name)", "we")
        fputs(text, file)
        fclose(file)
        chmod("\(path)/\(name)", 0o755)
    }

    deinit { _ = try? Program.shell("rm -rf '\(path)'") }
}
