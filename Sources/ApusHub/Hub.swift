internal import ApusBase
internal import ApusFormats

/// Finds models by name: in the cache that all HuggingFace programs share, else on the hub, from
/// where they are fetched into that cache.
public struct Hub {
    public let settings: HubSettings
    private let environment: [String: String]

    public init(environment: [String: String]) {
        settings = HubSettings(environment: environment)
        self.environment = environment
    }

    /// What happens, for the user to see.
    public enum Event: Sendable, Hashable {
        /// A file of so many bytes, of which some may be here already.
        case fetching(file: String, bytes: Int)
    }

    /// The folder that a model's name or path stands for. Paths are returned as they are, also one
    /// that leads nowhere in a folder that is there.
    ///
    /// - revision: a branch, a tag or a whole commit
    ///
    /// Throws ``HubError`` or `FileError`.
    public func folder(
        of model: String, revision: String = "main", showsProgress: Bool = false,
        report: (Event) -> Void = { _ in }
    ) throws -> String {
        guard !FilePaths.isFolder(model), !FilePaths.isFile(model), let name = HubName(model),
            !FilePaths.isFolder(name.organization)
        else { return model }
        let cache = HubCache(settings.cache, name)
        // What is in the cache is used as it is: a run does not change because a branch moved.
        if let commit = cache.commit(of: revision), HubCache.isComplete(cache.snapshot(commit)) {
            return cache.snapshot(commit)
        }
        guard !settings.isOffline else { throw notCached(name, revision) }
        let download = HubDownload(
            settings: settings,
            curl: try Curl(environment: environment, token: settings.token), model: name,
            cache: cache, proxy: HubProxy(endpoint: settings.endpoint, environment: environment))
        return try download.snapshot(
            revision: revision, showsProgress: showsProgress, report: report)
    }

    private func notCached(_ name: HubName, _ revision: String) -> HubError {
        HubError(
            "\(name) (\(revision)) is neither a folder nor in the cache \(settings.cache)",
            likelyCause: "HF_HUB_OFFLINE is set, and the model was not fetched before",
            remedy: "unset HF_HUB_OFFLINE, or give the path of a model folder")
    }
}
