import Foundation

@testable import ApusHub

/// A model on a hub of this machine, and a cache of its own.
struct TestModel {
    let hub: TestHub
    let home: String
    let name = "tiny/model"
    let commit = "0123456789abcdef0123456789abcdef01234567"
    /// One tensor of 1000 floats, which is large enough to be cut.
    let weights: [UInt8]

    init() throws {
        hub = try TestHub()
        home = NSTemporaryDirectory() + "apus-hub-" + UUID().uuidString
        var bytes = Array(
            #"{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}"#.utf8)
        while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
        let length = withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) }
        weights = length + bytes + (0..<4000).map { UInt8(truncatingIfNeeded: $0 / 4) }
    }

    func makeHub(_ settings: [String: String] = [:]) -> Hub {
        var environment = ["HF_HOME": home, "HF_ENDPOINT": hub.endpoint]
        environment["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        return Hub(environment: environment.merging(settings) { $1 })
    }

    /// The model as the hub has it; `digest` takes the place of the weights' hash, and the weights
    /// are where `storage` leads.
    func publish(digest: String? = nil, storage: String = "/storage/1") throws {
        let config = Array(#"{"model_type": "llama"}"#.utf8)
        let sha256 = try digest ?? Self.shell("sha256sum", weights)
        let listing = """
            {"sha": "\(commit)", "siblings": [
              {"rfilename": "config.json", "size": \(config.count),
               "blobId": "\(try Self.shell("git hash-object --stdin", config))"},
              {"rfilename": "model.safetensors", "size": \(weights.count), "blobId": "ab",
               "lfs": {"sha256": "\(sha256)", "size": \(weights.count), "pointerSize": 1}},
              {"rfilename": "pytorch_model.bin", "size": 9, "blobId": "\(commit)"},
              {"rfilename": "original/params.json", "size": 9, "blobId": "\(commit)"},
              {"rfilename": "../evil.json", "size": 9, "blobId": "\(commit)"}]}
            """
        hub.change { state in
            state.contents["/api/models/tiny/model/revision/main"] = Array(listing.utf8)
            state.contents["/tiny/model/resolve/\(commit)/config.json"] = config
            state.redirects["/tiny/model/resolve/\(commit)/model.safetensors"] = storage
            state.contents["/storage/1"] = weights
        }
    }

    private static func shell(_ command: String, _ input: [UInt8]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command]
        let (source, result) = (Pipe(), Pipe())
        process.standardInput = source
        process.standardOutput = result
        try process.run()
        source.fileHandleForWriting.write(Data(input))
        try source.fileHandleForWriting.close()
        let output = result.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self).components(separatedBy: " ")[0]
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func removeHome() { try? FileManager.default.removeItem(atPath: home) }
}
