internal import ApusBase
internal import ApusFormats
internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The system's `curl`, which speaks HTTPS with the system's certificates, proxies and settings.
struct Curl {
    /// How a transfer ended that was not a success.
    struct Failure: Error {
        /// curl's own number.
        let code: Int32
        /// What it said about it.
        let message: String

        /// The server cannot continue in the middle of a file.
        var cannotResume: Bool { code == 33 || code == 36 }
    }

    private let program: String
    private let environment: [String: String]
    private let token: String?

    init(environment: [String: String], token: String?) throws(HubError) {
        let path = environment["PATH"] ?? "/usr/bin:/bin"
        let folders = path.split(separator: ":").map { String($0) }
        let found = folders.map { FilePaths.join($0, "curl") }.first { access($0, X_OK) == 0 }
        guard let found else {
            throw HubError(
                "models are fetched by the program curl, which is not installed",
                remedy: "install curl, or put the model into a folder and name that")
        }
        program = found
        self.environment = environment
        self.token = token
    }

    /// Downloads into a file, from where it ends on.
    ///
    /// - showsProgress: curl draws a bar on standard error
    func download(
        _ url: String, to path: String, showsProgress: Bool = false
    ) throws(Failure) {
        var settings = [
            "url = \(Self.quoted(url))", "output = \(Self.quoted(path))", "continue-at = -",
            "fail", "location", "show-error", "retry = 3", "connect-timeout = 10",
            // A connection that stands still is given up.
            "speed-limit = 1", "speed-time = 60",
            // Nothing but the web, and never from a safe place to an unsafe one.
            "proto = \"=http,https\"",
            "proto-redir = \"=\(url.hasPrefix("https:") ? "https" : "http,https")\"",
            // Also where standard error belongs to the progress bar.
            #"write-out = "%{errormsg}\n""#,
        ]
        settings.append(showsProgress ? "progress-bar" : "silent")
        if let trusted = trustedCertificates { settings.append(trusted) }
        // curl sends a header of one's own to the first server only, not where that leads.
        if let token {
            settings.append("header = " + Self.quoted("Authorization: Bearer " + token))
        }
        // By standard input: other users see a program's arguments, and must not see the token.
        try run(settings.joined(separator: "\n") + "\n", showsProgress: showsProgress)
    }

    /// The variable of Python's programs; those that curl itself reads, it knows.
    private var trustedCertificates: String? {
        guard let path = environment["REQUESTS_CA_BUNDLE"], !path.isEmpty else { return nil }
        return (FilePaths.isFolder(path) ? "capath = " : "cacert = ") + Self.quoted(path)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for character in text {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result + "\""
    }

    private func run(_ settings: String, showsProgress: Bool) throws(Failure) {
        var input: (read: Int32, write: Int32) = (-1, -1)
        var errors: (read: Int32, write: Int32) = (-1, -1)
        guard apus_pipe(&input.read, &input.write) == 0, apus_pipe(&errors.read, &errors.write) == 0
        else { throw Failure(code: -1, message: String(cString: strerror(errno))) }
        defer { for descriptor in [input.read, errors.read] { close(descriptor) } }
        // The settings fit a pipe's buffer, and the reader is not started yet: this cannot block.
        let bytes = Array(settings.utf8)
        let written = write(input.write, bytes, bytes.count)
        close(input.write)
        var process: Int32 = 0
        let status = spawn(
            input.read, output: errors.write, error: showsProgress ? 2 : errors.write, &process)
        close(errors.write)
        guard status == 0, written == bytes.count else {
            throw Failure(code: -1, message: "\(program): \(String(cString: strerror(status)))")
        }
        let message = Self.text(from: errors.read)
        let code = Self.wait(for: process)
        guard code == 0 else { throw Failure(code: code, message: message) }
    }

    private func spawn(
        _ input: Int32, output: Int32, error: Int32, _ process: inout Int32
    ) -> Int32 {
        let arguments = Self.list([program, "--config", "-"])
        let variables = Self.list(environment.map { "\($0.key)=\($0.value)" })
        defer { for text in arguments + variables { free(UnsafeMutablePointer(mutating: text)) } }
        return arguments.withUnsafeBufferPointer { arguments in
            variables.withUnsafeBufferPointer { variables in
                var options = apus_spawn_options(
                    path: arguments[0], arguments: arguments.baseAddress,
                    environment: variables.baseAddress, input: input, output: output, error: error,
                    extra: -1)
                return apus_spawn(&options, &process)
            }
        }
    }

    /// C strings and the null behind them.
    private static func list(_ texts: [String]) -> [UnsafePointer<CChar>?] {
        texts.map { UnsafePointer(strdup($0)) } + [nil]
    }

    /// What the program said of its failure, of all that it wrote.
    private static func text(from descriptor: Int32) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, -1)
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 { all += buffer[..<count] }
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            if count <= 0 { break }
        }
        let lines = String(decoding: all, as: UTF8.self).split(separator: "\n")
        let own = lines.last { $0.hasPrefix("curl: (") } ?? lines.last
        return own.map { String($0) } ?? ""
    }

    private static func wait(for process: Int32) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }
}
