internal import ApusFormats

/// Where models come from and where they are kept: the environment variables of `huggingface_hub`.
public struct HubSettings: Sendable, Hashable {
    /// `HF_HUB_CACHE`; by default `hub` in `HF_HOME`, which is `~/.cache/huggingface`.
    public var cache: String
    /// `HF_ENDPOINT`.
    public var endpoint: String
    /// `HF_TOKEN`, or the content of the file that signing in leaves in `HF_HOME`.
    public var token: String?
    /// `HF_HUB_OFFLINE`: nothing is looked up on the network.
    public var isOffline: Bool

    public init(cache: String, endpoint: String, token: String? = nil, isOffline: Bool = false) {
        self.cache = cache
        self.endpoint = endpoint
        self.token = token
        self.isOffline = isOffline
    }

    public init(environment: [String: String]) {
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        func isOn(_ names: String...) -> Bool {
            names.contains { name in
                ["1", "on", "yes", "true"].contains(environment[name]?.lowercased())
            }
        }
        let user = value("HOME") ?? "."
        let caches = value("XDG_CACHE_HOME") ?? FilePaths.join(user, ".cache")
        let home = Self.expanded(value("HF_HOME"), user) ?? FilePaths.join(caches, "huggingface")
        cache =
            Self.expanded(value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"), user)
            ?? FilePaths.join(home, "hub")
        let server = value("HF_ENDPOINT") ?? "https://huggingface.co"
        endpoint = server.hasSuffix("/") ? String(server.dropLast()) : server
        isOffline = isOn("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        token = value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
        if token == nil, !isOn("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            let path = Self.expanded(value("HF_TOKEN_PATH"), user) ?? FilePaths.join(home, "token")
            token = Self.firstLine(path)
        }
    }

    private static func expanded(_ path: String?, _ user: String) -> String? {
        guard let path, path == "~" || path.hasPrefix("~/") else { return path }
        return user + path.dropFirst()
    }

    /// Nobody has to be signed in: a file that is not there is no token.
    private static func firstLine(_ path: String) -> String? {
        guard FilePaths.isFile(path), let file = try? MappedFile(path: path) else { return nil }
        let text = file.withBytes { String(decoding: $0, as: UTF8.self) }
        return text.split(whereSeparator: \.isNewline).first.map { String($0) }
    }
}
