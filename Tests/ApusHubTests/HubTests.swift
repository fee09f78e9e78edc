import ApusBase
import ApusFormats
import Foundation
import Testing

@testable import ApusHub

/// Models by name, with a hub on this machine and a cache of its own.
@Suite struct HubTests {
    private let hub: TestHub
    private let home: String
    private let name = "tiny/model"
    private let commit = "0123456789abcdef0123456789abcdef01234567"
    /// One tensor of 1000 floats, which is large enough to be cut.
    private let weights: [UInt8]

    init() throws {
        hub = try TestHub()
        home = NSTemporaryDirectory() + "apus-hub-" + UUID().uuidString
        var bytes = Array(
            #"{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}"#.utf8)
        while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
        let length = withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) }
        weights = length + bytes + (0..<4000).map { UInt8(truncatingIfNeeded: $0 / 4) }
    }

    private func makeHub(_ settings: [String: String] = [:]) -> Hub {
        var environment = ["HF_HOME": home, "HF_ENDPOINT": hub.endpoint]
        environment["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        return Hub(environment: environment.merging(settings) { $1 })
    }

    /// The model as the hub has it; `digest` takes the place of the weights' hash.
    private func publish(digest: String? = nil) throws {
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
            state.redirects["/tiny/model/resolve/\(commit)/model.safetensors"] = "/storage/1"
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

    private func removeHome() { try? FileManager.default.removeItem(atPath: home) }

    // MARK: The cache

    @Test func variablesAreThoseOfHuggingFace() {
        func settings(_ environment: [String: String]) -> HubSettings {
            HubSettings(environment: environment)
        }
        #expect(settings(["HOME": "/u"]).cache == "/u/.cache/huggingface/hub")
        #expect(settings(["HOME": "/u", "XDG_CACHE_HOME": "/c"]).cache == "/c/huggingface/hub")
        #expect(settings(["HOME": "/u", "HF_HOME": "~/h"]).cache == "/u/h/hub")
        #expect(settings(["HF_HOME": "/h", "HF_HUB_CACHE": "/x"]).cache == "/x")
        #expect(settings(["HF_HUB_OFFLINE": "YES"]).isOffline)
        #expect(!settings(["HF_HUB_OFFLINE": "0"]).isOffline)
        #expect(settings([:]).endpoint == "https://huggingface.co")
        #expect(settings(["HF_TOKEN": "t"]).token == "t")
    }

    /// The layout with a store for the whole cache: two links lead to the content.
    @Test func whatIsInTheCacheIsUsedAsItIs() throws {
        defer { removeHome() }
        let folder = home + "/hub/models--tiny--model"
        let files = FileManager.default
        for path in ["/refs", "/blobs", "/snapshots/\(commit)"] {
            try files.createDirectory(atPath: folder + path, withIntermediateDirectories: true)
        }
        try files.createDirectory(atPath: home + "/hub/blobs/ab", withIntermediateDirectories: true)
        try Data(commit.utf8).write(to: URL(fileURLWithPath: folder + "/refs/main"))
        try Data(weights).write(to: URL(fileURLWithPath: home + "/hub/blobs/ab/abcd"))
        try files.createSymbolicLink(
            atPath: folder + "/blobs/1", withDestinationPath: "../../blobs/ab/abcd")
        let snapshot = folder + "/snapshots/\(commit)"
        try files.createSymbolicLink(
            atPath: snapshot + "/model.safetensors", withDestinationPath: "../../blobs/1")
        try Data("{}".utf8).write(to: URL(fileURLWithPath: snapshot + "/config.json"))
        let offline = makeHub(["HF_HUB_OFFLINE": "1"])
        #expect(try offline.folder(of: name) == snapshot)
        #expect(try offline.folder(of: name, revision: commit) == snapshot)
        #expect(try openTensors(at: snapshot).floats("w").count == 1000)
        #expect(hub.requests.isEmpty)
    }

    @Test func pathsGoBeforeNames() throws {
        #expect(try makeHub().folder(of: "/etc") == "/etc")
        #expect(try makeHub().folder(of: "models/a/b") == "models/a/b")
        #expect(HubName("a/..") == nil && HubName("a/b c") == nil && HubName("a") == nil)
    }

    @Test func offlineNothingIsFetched() throws {
        let error = #expect(throws: HubError.self) {
            _ = try makeHub(["HF_HUB_OFFLINE": "1"]).folder(of: name)
        }
        #expect(error?.summary.contains("tiny/model (main) is neither a folder nor") == true)
        #expect(hub.requests.isEmpty)
    }

    // MARK: Fetching

    @Test func aModelIsFetchedOnceAndLinked() throws {
        defer { removeHome() }
        try publish()
        var fetched: [String] = []
        let folder = try makeHub(["HF_TOKEN": "secret"]).folder(of: name) { event in
            if case .fetching(let file, _) = event { fetched.append(file) }
        }
        #expect(fetched == ["config.json", "model.safetensors"])
        #expect(folder == home + "/hub/models--tiny--model/snapshots/\(commit)")
        let file = try MappedFile(path: folder + "/model.safetensors")
        #expect(file.withBytes { Array($0) } == weights)
        let target = try FileManager.default.destinationOfSymbolicLink(
            atPath: folder + "/config.json")
        #expect(target.hasPrefix("../../blobs/"))
        #expect(hub.requests.first?.hasSuffix("Bearer secret") == true)
        let count = hub.requests.count
        #expect(try makeHub(["HF_HUB_OFFLINE": "1"]).folder(of: name) == folder)
        #expect(hub.requests.count == count)
    }

    @Test func aBrokenTransferIsContinued() throws {
        defer { removeHome() }
        try publish()
        hub.change { $0.cuts["/storage/1"] = 1500 }
        let error = #expect(throws: HubError.self) { _ = try makeHub().folder(of: name) }
        #expect(error?.remedy?.contains("continues there") == true)
        let folder = try makeHub().folder(of: name)
        #expect(hub.requests.contains("/storage/1 bytes=1500-"))
        #expect(try openTensors(at: folder).floats("w").count == 1000)
    }

    @Test func otherContentIsRefusedAndRemoved() throws {
        defer { removeHome() }
        try publish(digest: String(repeating: "0", count: 64))
        let error = #expect(throws: HubError.self) { _ = try makeHub().folder(of: name) }
        #expect(error?.summary.contains("arrived with other content") == true)
        let blobs = try FilePaths.names(in: home + "/hub/models--tiny--model/blobs")
        #expect(!blobs.contains { $0.hasPrefix("0000") })
    }

    @Test func namesThatTheHubDoesNotKnow() throws {
        defer { removeHome() }
        let error = #expect(throws: HubError.self) { _ = try makeHub().folder(of: "no/body") }
        #expect(error?.summary.contains("404") == true)
        #expect(error?.likelyCause?.contains("misspelt") == true)
    }
}
