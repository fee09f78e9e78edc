import ApusBase
import ApusFormats
import Foundation
import Testing

@testable import ApusHub

/// Models by name, with a hub on this machine.
@Suite struct HubTests {
    private let model: TestModel

    init() throws { model = try TestModel() }

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
        defer { model.removeHome() }
        let folder = model.home + "/hub/models--tiny--model"
        let files = FileManager.default
        for path in ["/refs", "/blobs", "/snapshots/\(model.commit)"] {
            try files.createDirectory(atPath: folder + path, withIntermediateDirectories: true)
        }
        try files.createDirectory(
            atPath: model.home + "/hub/blobs/ab", withIntermediateDirectories: true)
        try Data(model.commit.utf8).write(to: URL(fileURLWithPath: folder + "/refs/main"))
        try Data(model.weights).write(to: URL(fileURLWithPath: model.home + "/hub/blobs/ab/abcd"))
        try files.createSymbolicLink(
            atPath: folder + "/blobs/1", withDestinationPath: "../../blobs/ab/abcd")
        let snapshot = folder + "/snapshots/\(model.commit)"
        try files.createSymbolicLink(
            atPath: snapshot + "/model.safetensors", withDestinationPath: "../../blobs/1")
        try Data("{}".utf8).write(to: URL(fileURLWithPath: snapshot + "/config.json"))
        let offline = model.makeHub(["HF_HUB_OFFLINE": "1"])
        #expect(try offline.folder(of: model.name) == snapshot)
        #expect(try offline.folder(of: model.name, revision: model.commit) == snapshot)
        #expect(try openTensors(at: snapshot).floats("w").count == 1000)
        #expect(model.hub.requests.isEmpty)
    }

    @Test func pathsGoBeforeNames() throws {
        #expect(try model.makeHub().folder(of: "/etc") == "/etc")
        #expect(try model.makeHub().folder(of: "models/a/b") == "models/a/b")
        #expect(HubName("a/..") == nil && HubName("a/b c") == nil && HubName("a") == nil)
    }

    @Test func offlineNothingIsFetched() throws {
        let error = #expect(throws: HubError.self) {
            _ = try model.makeHub(["HF_HUB_OFFLINE": "1"]).folder(of: model.name)
        }
        #expect(error?.summary.contains("tiny/model (main) is neither a folder nor") == true)
        #expect(model.hub.requests.isEmpty)
    }

    // MARK: Fetching

    @Test func aModelIsFetchedOnceAndLinked() throws {
        defer { model.removeHome() }
        try model.publish()
        var fetched: [String] = []
        let folder = try model.makeHub(["HF_TOKEN": "secret"]).folder(of: model.name) { event in
            if case .fetching(let file, _) = event { fetched.append(file) }
        }
        #expect(fetched == ["config.json", "model.safetensors"])
        #expect(folder == model.home + "/hub/models--tiny--model/snapshots/\(model.commit)")
        let file = try MappedFile(path: folder + "/model.safetensors")
        #expect(file.withBytes { Array($0) } == model.weights)
        let target = try FileManager.default.destinationOfSymbolicLink(
            atPath: folder + "/config.json")
        #expect(target.hasPrefix("../../blobs/"))
        #expect(model.hub.requests.first?.hasSuffix("Bearer secret") == true)
        let count = model.hub.requests.count
        #expect(try model.makeHub(["HF_HUB_OFFLINE": "1"]).folder(of: model.name) == folder)
        #expect(model.hub.requests.count == count)
    }

    @Test func aBrokenTransferIsContinued() throws {
        defer { model.removeHome() }
        try model.publish()
        model.hub.change { $0.cuts["/storage/1"] = 1500 }
        let error = #expect(throws: HubError.self) {
            _ = try model.makeHub().folder(of: model.name)
        }
        #expect(error?.remedy?.contains("continues there") == true)
        let folder = try model.makeHub().folder(of: model.name)
        #expect(model.hub.requests.contains("/storage/1 bytes=1500-"))
        #expect(try openTensors(at: folder).floats("w").count == 1000)
    }

    @Test func otherContentIsRefusedAndRemoved() throws {
        defer { model.removeHome() }
        try model.publish(digest: String(repeating: "0", count: 64))
        let error = #expect(throws: HubError.self) {
            _ = try model.makeHub().folder(of: model.name)
        }
        #expect(error?.summary.contains("arrived with other content") == true)
        let blobs = try FilePaths.names(in: model.home + "/hub/models--tiny--model/blobs")
        #expect(!blobs.contains { $0.hasPrefix("0000") })
    }

    @Test func namesThatTheHubDoesNotKnow() throws {
        defer { model.removeHome() }
        let error = #expect(throws: HubError.self) { _ = try model.makeHub().folder(of: "no/body") }
        #expect(error?.summary.contains("404") == true)
        #expect(error?.likelyCause?.contains("misspelt") == true)
    }
}
