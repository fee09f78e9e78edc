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
        /// The last line that it wrote.
        let message: String

        /// The server cannot continue in the middle of a file.
        var cannotResume: Bool { code == 33 || code == 36 }
    }

    private let program: String
    private let token: String?

    init(path: String?, token: String?) throws(HubError) {
        let folders = (path ?? "/usr/bin:/bin").split(separator: ":").map { String($0) }
        let found = folders.map { FilePaths.join($0, "curl") }.first { access($0, X_OK) == 0 }
        guard let found else {
            throw HubError(
                "models are fetched by the program curl, which is not installed",
                remedy: "install curl, or put the model into a folder and name that")
        }
        program = found
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
            // Nothing but the web, wherever a redirect leads.
            "proto = \"=http,https\"", "proto-redir = \"=http,https\"",
        ]
        settings.append(showsProgress ? "progress-bar" : "silent")
        if let token {
            settings.append("header = " + Self.quoted("Authorization: Bearer " + token))
        }
        // By standard input: other users see a program's arguments, and must not see the token.
        try run(settings.joined(separator: "\n") + "\n", showsProgress: showsProgress)
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
        let status = spawn(input.read, showsProgress ? 2 : errors.write, &process)
        close(errors.write)
        guard status == 0, written == bytes.count else {
            throw Failure(code: -1, message: "\(program): \(String(cString: strerror(status)))")
        }
        let message = Self.text(from: errors.read)
        let code = Self.wait(for: process)
        guard code == 0 else { throw Failure(code: code, message: message) }
    }

    private func spawn(_ input: Int32, _ error: Int32, _ process: inout Int32) -> Int32 {
        let words = [program, "--config", "-"]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        let pointers: [UnsafePointer<CChar>?] = arguments.map { UnsafePointer($0) } + [nil]
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { close(null) }
        return pointers.withUnsafeBufferPointer { list in
            let environment = UnsafeRawPointer(environ).assumingMemoryBound(
                to: UnsafePointer<CChar>?.self)
            var options = apus_spawn_options(
                path: arguments[0], arguments: list.baseAddress, environment: environment,
                input: input, output: null, error: error, extra: -1)
            return apus_spawn(&options, &process)
        }
    }

    /// Everything until the other end is closed.
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
        return lines.last.map { String($0) } ?? ""
    }

    private static func wait(for process: Int32) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }
}
