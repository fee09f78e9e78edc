import Foundation

/// Encryption in front of a ``TestHub``, with a certificate that nobody trusts unless told to.
final class TLSFront {
    /// The certificate, which is its own authority.
    let certificate: String
    let endpoint: String
    private let folder: String
    private let server: Process
    private let input = Pipe()

    struct Failure: Error {}

    /// What is missing on this machine; nil: nothing.
    static let missing: String? = ["openssl", "python3"].first { program in
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return !path.split(separator: ":").contains { folder in
            FileManager.default.isExecutableFile(atPath: "\(folder)/\(program)")
        }
    }

    init(hub: TestHub) throws {
        folder = NSTemporaryDirectory() + "apus-tls-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        certificate = folder + "/certificate.pem"
        let key = folder + "/key.pem"
        try Self.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                + "-subj /CN=apus-test -addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
                + "-keyout \(key) -out \(certificate)")
        server = Process()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Programs/tls_front.py").path
        server.arguments = ["python3", script, certificate, key, "\(hub.port)"]
        let output = Pipe()
        server.standardInput = input
        server.standardOutput = output
        try server.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = Int(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Failure()
        }
        endpoint = "https://localhost:\(port)"
    }

    deinit {
        try? input.fileHandleForWriting.close()
        server.waitUntilExit()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func run(_ command: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus != 0 { throw Failure() }
    }
}
